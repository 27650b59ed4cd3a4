/**
 * A call that has to be made: how the answer is opened for the model, and the schema of what it writes then.
 */
import type { JsonSchema } from '../../../core/mod.ts'
import { callOf, jsonOf, objectOf, type Tool, type ToolFormat } from './tool-format.ts'
import type { ToolWatch } from './tool-watch.ts'

/** The schema of one call of one of the tools. */
export function forcedSchema({ forced }: ToolFormat, tools: readonly Tool[]): JsonSchema {
  const calls = tools.map(({ name, parameters }, at) => {
    const place = tools.length === 1 ? '#/properties' : `#/anyOf/${at}/properties`
    return {
      type: 'object',
      properties: {
        name: { const: name },
        [forced.key]: moved(
          parameters ?? { type: 'object', additionalProperties: false },
          `${place}/${forced.key}`,
        ),
      },
      required: ['name', forced.key],
    }
  })
  return calls.length === 1 ? calls[0] : { anyOf: calls }
}

/** All of the text is the call; one that was cut off is given as text. */
export function watchForcedCall({ forced }: ToolFormat): ToolWatch {
  let all = ''
  return {
    push(text) {
      all += text
      return ''
    },
    end() {
      const call = callOf(jsonOf(all), [forced.key])
      return call === null ? { text: all, calls: [] } : { text: '', calls: [call] }
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** A schema as a part of another one: what it refers to in itself is then at `place`. */
function moved(schema: JsonSchema, place: string): JsonSchema {
  const part = (value: unknown, key: string): unknown => {
    if (key === '$ref' && typeof value === 'string' && value.startsWith('#')) return place + value.slice(1)
    if (Array.isArray(value)) return value.map((one: unknown) => part(one, ''))
    const object = objectOf(value)
    return object === null
      ? value
      : Object.fromEntries(Object.entries(object).map(([name, one]) => [name, part(one, name)]))
  }
  return objectOf(part(schema, '')) ?? {}
}
