/**
 * `json_schema`: whether a completion is JSON, and JSON of a form, said by a JSON Schema (2020-12, by ajv).
 */
import type { ValidateFunction } from 'ajv/dist/2020.js'
import { optionalPackage } from '../../../core/optional-package.ts'
import { ConfigError, decimal, defineOptions, mapOf, nullable, optional } from '../../../core/mod.ts'
import * as v from 'valibot'
import type { RewardDefinition } from './reward.ts'

/** Options of `json_schema`. */
export interface JsonSchemaOptions {
  /** null: any JSON is right. */
  readonly schema: Readonly<Record<string, unknown>> | null
  /** What JSON of another form is worth. */
  readonly json_part: number
}

/** 1 where the completion, without spaces around it, is JSON that fits; `json_part` for other JSON; else 0. */
export const jsonSchema: RewardDefinition = {
  name: 'json_schema',
  options: defineOptions<JsonSchemaOptions>({
    schema: nullable(mapOf(v.unknown())),
    json_part: optional(decimal({ min: 0, max: 1 }), 0),
  }),
  async create(options) {
    const { schema, json_part } = options as JsonSchemaOptions
    const fits = schema && (await compiled(schema))
    return (completions) =>
      completions.map((completion) => {
        const value = parsed(completion)
        if (value === undefined) return 0
        return fits === null || fits(value) ? 1 : json_part
      })
  },
}

/** undefined: it is no JSON. */
export function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** The library is loaded by those who need it. */
async function compiled(schema: Readonly<Record<string, unknown>>): Promise<ValidateFunction> {
  const wanted = { name: 'ajv', code: 'E_CONFIG', what: 'which checks JSON by a schema' } as const
  const { Ajv2020 } = await optionalPackage(wanted, () => import('ajv/dist/2020.js'))
  try {
    return new Ajv2020({ strict: false, validateFormats: false }).compile(schema)
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error)
    throw new ConfigError([{ path: ['schema'], what: `is no JSON Schema: ${said}` }])
  }
}
