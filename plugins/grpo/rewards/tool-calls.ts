/**
 * `tool_calls`: whether a completion calls tools rightly, in the form that Hermes, Qwen and others write: `<tool_call>{"name": …, "arguments": {…}}</tool_call>`.
 */
import { defineOptions, nullable, text } from '../../../core/mod.ts'
import { isDeepStrictEqual } from 'node:util'
import { parsed } from './json-schema.ts'
import { fieldOf } from './record-field.ts'
import type { RewardDefinition } from './reward.ts'

/** Options of `tool_calls`. */
export interface ToolCallsOptions {
  /** A field of the record with the calls that are wanted: `[{ "name": …, "arguments": {…} }]`; null: any call of a tool that there is. */
  readonly field: string | null
}

interface Call {
  readonly name: string
  readonly arguments: unknown
}

/**
 * The part of the calls that is right: with `field`, those wanted that were made with the same arguments; without, those made whose name is one
 * of the record's `tools`. A call that cannot be read makes it 0.
 */
export const toolCalls: RewardDefinition = {
  name: 'tool_calls',
  options: defineOptions<ToolCallsOptions>({ field: nullable(text()) }),
  create(options) {
    const { field } = options as ToolCallsOptions
    return (completions, { records }) =>
      completions.map((completion, row) => {
        const made = callsIn(completion)
        if (made === null) return 0
        if (field === null) return partOf(made, (call) => namesOf(records[row]).includes(call.name))
        const wanted = callsOf(wantedOf(records[row], field))
        if (wanted.length === 0) return made.length === 0 ? 1 : 0
        const right = wanted.filter((call) => made.some((other) => isSame(call, other))).length
        return right / Math.max(wanted.length, made.length)
      })
  },
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const CALL = /<tool_call>(.*?)<\/tool_call>/gsu

/** null: one of them cannot be read. */
function callsIn(completion: string): Call[] | null {
  const calls = Array.from(completion.matchAll(CALL), ([, body]) => callOf(parsed(body.trim())))
  const read = calls.filter((call) => call !== null)
  return read.length === calls.length ? read : null
}

/** null: none are wanted. A record without the field is a mistake, which would else reward silence. */
function wantedOf(record: Readonly<Record<string, unknown>>, field: string): unknown {
  return record[field] === null ? [] : fieldOf(record, field, 'tool_calls')
}

function callsOf(value: unknown): Call[] {
  return Array.isArray(value) ? value.map(callOf).filter((call) => call !== null) : []
}

/** OpenAI's form has the call under `function`, and the arguments as text. */
function callOf(value: unknown): Call | null {
  if (typeof value !== 'object' || value === null) return null
  const { function: inner, name, arguments: given = {} }: Record<string, unknown> = { ...value }
  if (inner !== undefined) return callOf(inner)
  if (typeof name !== 'string') return null
  const args = typeof given === 'string' ? parsed(given) : given
  return typeof args === 'object' && args !== null ? { name, arguments: args } : null
}

function isSame(a: Call, b: Call): boolean {
  return a.name === b.name && isDeepStrictEqual(a.arguments, b.arguments)
}

function namesOf({ tools }: Readonly<Record<string, unknown>>): string[] {
  return callsOf(Array.isArray(tools) ? tools.map((tool: unknown) => withoutParameters(tool)) : []).map(
    ({ name }) => name,
  )
}

/** A tool's schema read as a call of it. */
function withoutParameters(tool: unknown): unknown {
  if (typeof tool !== 'object' || tool === null) return tool
  return 'function' in tool ? withoutParameters(tool.function) : { ...tool, arguments: {} }
}

function partOf(calls: readonly Call[], isRight: (call: Call) => boolean): number {
  return calls.length === 0 ? 0 : calls.filter(isRight).length / calls.length
}
