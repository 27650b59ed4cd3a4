/**
 * The file of a run as a JSON Schema (draft 7), for editors: every key with what is said of it, its values, range and default, made
 * from the schema that checks the file.
 *
 * It is as strict as the check of a single key, with axolotl's old spellings and the keys that change nothing. What does not go
 * together, and whether names of plugins, files and models exist, is only known to `validate` and the run. Numbers as text have no range.
 */
import { toJsonSchema } from '@valibot/to-json-schema'
import type { Field, JsonSchema } from '../../../core/contracts/config-fields.ts'
import { DATASET_KEY_DOCS, datasetOptions } from '../../data/mod.ts'
import {
  IGNORED_DATASET_KEYS,
  IGNORED_KEYS,
  RENAMED_KEYS,
  UNSUPPORTED_DATASET_KEYS,
  UNSUPPORTED_KEYS,
} from './keys/axolotl-keys.ts'
import type { IgnoredKey, UnsupportedKey } from './keys/key-fact.ts'
import { finetuneSchema } from './finetune-schema.ts'
import { KEY_DOCS, plainDoc } from './key-docs.ts'

/**
 * Made anew at each call, as it takes a moment and is seldom asked for.
 *
 * @example
 * ```ts
 * import { writeFileSync } from 'node:fs'
 * import { schemaOfFinetune } from 'tritune'
 *
 * writeFileSync('finetune.schema.json', JSON.stringify(schemaOfFinetune(), null, 2))
 * ```
 */
export function schemaOfFinetune(): JsonSchema {
  const run = converted(finetuneSchema)
  const dataset = converted(datasetOptions)
  const own = described(propertiesOf(run), KEY_DOCS)
  const entries = { $ref: '#/$defs/dataset' }
  const list = { type: 'array', items: entries }
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'A fine-tuning run',
    type: 'object',
    // A model and texts each have other keys too; and what a file extends may have them all.
    allOf: [
      oneOfKeys('learning_rate', 'extends'),
      oneOfKeys('base_model', 'preset', 'base_model_config', 'extends'),
      oneOfKeys('datasets', 'pretraining_dataset', 'extends'),
    ],
    properties: {
      extends: {
        description: 'other files, or bundled ones by name, whose values hold where this one has none',
        anyOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' } }, { type: 'null' }],
      },
      ...own,
      datasets: { ...own['datasets'], ...list, minItems: 1 },
      test_datasets: { ...own['test_datasets'], anyOf: [list, { type: 'null' }] },
      ...mapped(IGNORED_KEYS, ignoredKey),
      ...mapped(UNSUPPORTED_KEYS, unsupportedKey),
      ...mapped(RENAMED_KEYS, (name) => oldName(name, own)),
      pretraining_dataset: {
        description: 'texts that are streamed and packed: the same as datasets with streaming: true',
        anyOf: [{ type: 'string' }, { type: 'array' }, { type: 'null' }],
      },
      qat: {
        description: 'The way of axolotl to write quantizer: qat.',
        anyOf: [{ type: 'object' }, { type: 'null' }],
      },
      ...mapped(PARTS, (part) => ({
        description: `The way of axolotl to write ${part}.`,
        deprecated: true,
        doNotSuggest: true,
      })),
      tokenizer_use_mistral_common: {
        description: '`true`: the chat template of mistral-common where the model has none.',
        deprecated: true,
        doNotSuggest: true,
      },
      use_onebitllms: {
        description: '`true`: another way to write quantizer: bitnet',
        deprecated: true,
        doNotSuggest: true,
      },
      tokens: { ...own['tokens'], anyOf: [own['tokens'], own['special_tokens']] },
      ...mapped(OLD_PRECISIONS, (bf16) => ({
        description: `\`true\`: the old way to write bf16: ${bf16}`,
        deprecated: true,
        doNotSuggest: true,
      })),
    },
    additionalProperties: false,
    $defs: {
      dataset: {
        title: 'An entry of datasets',
        type: 'object',
        required: dataset['required'],
        properties: {
          ...described(propertiesOf(dataset), DATASET_KEY_DOCS),
          ...mapped(IGNORED_DATASET_KEYS, ignoredKey),
          ...mapped(UNSUPPORTED_DATASET_KEYS, unsupportedKey),
          ...Object.fromEntries(['role', 'content'].map((name) => [`message_field_${name}`, oldField(name)])),
        },
        additionalProperties: false,
      },
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function oneOfKeys(...keys: readonly string[]): JsonSchema {
  return { anyOf: keys.map((key) => ({ required: [key], properties: { [key]: {} } })) }
}

type Properties = Readonly<Record<string, JsonSchema>>

/** What valibot's parts tell; where they do not, the field has its form in its metadata (`withJson()`). */
function converted(field: Field<unknown>): JsonSchema {
  const schema = toJsonSchema(field, {
    typeMode: 'input',
    overrideAction({ valibotAction, jsonSchema }) {
      const of = (name: string): unknown => Reflect.get(valibotAction, name)
      const requirement = of('requirement')
      if (valibotAction.type === 'check') return jsonSchema
      // A text that has a form is not empty, too.
      if (valibotAction.type === 'regex' && requirement instanceof RegExp)
        return { ...jsonSchema, pattern: requirement.source }
      if (valibotAction.type !== 'metadata') return undefined
      const metadata = of('metadata')
      const form = isMapping(metadata) ? metadata['json'] : undefined
      return isMapping(form) ? form : jsonSchema
    },
  })
  const simple = simplified(schema)
  return isMapping(simple) ? simple : {}
}

const PARTS: Readonly<Record<string, string>> = {
  use_eaft: 'objective: eaft',
  eaft_alpha: 'objective: eaft',
  eaft_k: 'objective: eaft',
  lisa_n_layers: 'strategy: lisa',
  lisa_step_interval: 'strategy: lisa',
  llmcompressor: 'transforms: keep_zeros',
}

const OLD_PRECISIONS: Readonly<Record<string, boolean>> = {
  bfloat16: true,
  float16: true,
  fp16: true,
  float32: false,
}

const SILENT: readonly string[] = ['propertyNames', '$defs', 'example']

/** The same without what says nothing: choices within choices, defaults of nothing, keys that are any text. */
function simplified(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(simplified)
  if (!isMapping(value)) return value
  const entries = Object.entries(value).flatMap(([key, inner]): [string, unknown][] => {
    if (SILENT.includes(key) || (key === 'required' && isEmptyList(inner))) return []
    if (key === 'default') return isNothing(inner) ? [] : [[key, inner]]
    if (key === 'anyOf' && Array.isArray(inner)) return [[key, inner.map(simplified).flatMap(choicesOf)]]
    return [[key, simplified(inner)]]
  })
  return Object.fromEntries(entries)
}

function choicesOf(choice: unknown): readonly unknown[] {
  const isOnlyChoices =
    isMapping(choice) && Object.keys(choice).length === 1 && Array.isArray(choice['anyOf'])
  return isOnlyChoices && Array.isArray(choice['anyOf']) ? choice['anyOf'] : [choice]
}

/** Not given, or a mapping of what is not given. */
function isNothing(value: unknown): boolean {
  if (value === null) return true
  return isMapping(value) && Object.keys(value).length > 0 && Object.values(value).every(isNothing)
}

function isEmptyList(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0
}

function propertiesOf({ properties }: JsonSchema): Properties {
  const entries = isMapping(properties) ? Object.entries(properties) : []
  return Object.fromEntries(entries.map(([key, value]) => [key, isMapping(value) ? value : {}]))
}

function described(properties: Properties, docs: Readonly<Record<string, string>>): Properties {
  return mapped(properties, (schema, key) => ({ description: plainDoc(docs[key] ?? ''), ...schema }))
}

function ignoredKey({ reason }: IgnoredKey): JsonSchema {
  return { description: `Changes nothing here: ${reason}.`, deprecated: true, doNotSuggest: true }
}

/** `{ bitnet: { span: row } }`. */
const NAME_WITH_OPTIONS: JsonSchema = {
  type: 'object',
  maxProperties: 1,
  additionalProperties: { type: ['object', 'null'] },
}

/** Only values that ask for nothing, and short forms of other keys. */
function unsupportedKey({ what, harmless = [], sameAs, shortFor, onlyWith }: UnsupportedKey): JsonSchema {
  if (onlyWith !== undefined)
    return {
      description: `Not supported yet (${what}), but for ${JSON.stringify(onlyWith)}.`,
      deprecated: true,
      doNotSuggest: true,
    }
  return {
    description: shortFor
      ? `The short form of ${shortFor}: a name, or a name with options.`
      : `Not supported yet (${what}): leave it out or empty.`,
    ...(shortFor ? {} : { deprecated: true, doNotSuggest: true }),
    anyOf: [
      { enum: [null, false, 0, '', 'false', 'no', 'off', ...harmless] },
      { type: 'array', maxItems: 0 },
      { type: 'object', maxProperties: 0 },
      ...((sameAs ?? shortFor) ? [{ type: 'string' }] : []),
      ...(shortFor ? [NAME_WITH_OPTIONS] : []),
    ],
  }
}

function oldName(name: string, own: Properties): JsonSchema {
  const known = { ...own, ...mapped(IGNORED_KEYS, ignoredKey), ...mapped(UNSUPPORTED_KEYS, unsupportedKey) }
  return { ...known[name], description: `The old name of ${name}.`, deprecated: true, doNotSuggest: true }
}

function oldField(name: string): JsonSchema {
  return {
    description: `The old way to write message_property_mappings: { ${name}: … }.`,
    deprecated: true,
    doNotSuggest: true,
  }
}

function mapped<T>(
  table: Readonly<Record<string, T>>,
  change: (value: T, key: string) => JsonSchema,
): Record<string, JsonSchema> {
  return Object.fromEntries(Object.entries(table).map(([key, value]) => [key, change(value, key)]))
}

function isMapping(value: unknown): value is JsonSchema {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
