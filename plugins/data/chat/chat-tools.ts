/**
 * Tools of a conversation: what the model may call, what it called, and the forms in which datasets write both. JSON
 * texts become data, as axolotl has it.
 */
import { showValue } from '../../../core/mod.ts'
import { parseExactJson } from '../../jinja/mod.ts'
import { recordError } from '../types/dataset-type.ts'
import type { RecordSource } from '../types/dataset-type.ts'

/** The tools of a record; undefined when it has none. Throws E_DATA. */
export function readTools(value: unknown, key: string, source: RecordSource): readonly unknown[] | undefined {
  const tools =
    typeof value === 'string' ? (value.trim() === '' ? [] : parseJson(value, key, source)) : (value ?? [])
  if (!Array.isArray(tools))
    throw recordError(source, `expected "${key}" to be a list of tools, got ${showValue(tools)}`)
  if (tools.length === 0) return undefined
  return tools.map((tool: unknown, i) => {
    if (!isMapping(tool))
      throw recordError(source, `expected ${key}[${i}] to be a tool, got ${showValue(tool)}`)
    if (!isMapping(tool['function']) || typeof tool['function']['parameters'] !== 'string') return tool
    const parameters = parseJson(tool['function']['parameters'], `${key}[${i}].function.parameters`, source)
    return { ...tool, function: { ...tool['function'], parameters } }
  })
}

/** `tool_calls` of a message, with arguments as data. */
export function readToolCalls(value: unknown, place: string, source: RecordSource): unknown {
  const calls = typeof value === 'string' ? parseJson(value, place, source) : value
  if (!Array.isArray(calls))
    throw recordError(source, `expected ${place} to be a list of calls, got ${showValue(calls)}`)
  return calls.map((call: unknown, i) => {
    if (!isMapping(call))
      throw recordError(source, `expected ${place}[${i}] to be a call, got ${showValue(call)}`)
    if (!isMapping(call['function']) || typeof call['function']['arguments'] !== 'string') return call
    const text = call['function']['arguments']
    const parsed = text.trim() === '' ? {} : parseJson(text, `${place}[${i}].function.arguments`, source)
    return { ...call, function: { ...call['function'], arguments: parsed } }
  })
}

/**
 * A turn of the role `function_call` (LLaMA-Factory's sharegpt): `{"name": …, "arguments": …}` or a list of such, as
 * JSON, with words before it where the model thinks first.
 */
export function readFunctionCall(
  text: string,
  place: string,
  source: RecordSource,
): Readonly<Record<string, unknown>> {
  const thought = /^\s*<think>[^]*?<\/think>\s*/.exec(text)?.[0] ?? ''
  const parsed = parseJson(text.slice(thought.length), place, source)
  const calls: unknown[] = Array.isArray(parsed) ? parsed : [parsed]
  const toolCalls = calls.map((call) => {
    if (!isMapping(call) || typeof call['name'] !== 'string') {
      throw recordError(source, `expected ${place} to be calls with a "name", got ${showValue(call)}`)
    }
    const given = call['arguments'] ?? {}
    const args = typeof given === 'string' ? parseJson(given, `${place}.arguments`, source) : given
    return { type: 'function', function: { name: call['name'], arguments: args } }
  })
  return { content: thought.trim(), tool_calls: toolCalls }
}

/** Throws E_DATA with the place of the text in the record. */
export function parseJson(text: string, place: string, source: RecordSource): unknown {
  try {
    return parseExactJson(text)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw recordError(source, `${place} is a text that is not valid JSON: ${reason}`)
  }
}

export function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
