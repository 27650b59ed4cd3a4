/**
 * The fields that /v1/completions and /v1/chat/completions share: how tokens are chosen. Those that would change the answer and are not
 * there are refused by name; those that change nothing here are taken and left aside.
 */
import {
  type ConfigFailure,
  decimal,
  type Field,
  flag,
  integer,
  listOf,
  nullable,
  optional,
  text,
} from '../../../core/mod.ts'
import { randomInt } from 'node:crypto'
import * as v from 'valibot'
import type { SamplingOptions } from '../../generate/mod.ts'

/** Of a request, checked. */
export interface SamplingFields {
  readonly model: string
  readonly stream: boolean
  readonly stream_options: { readonly include_usage: boolean; readonly include_obfuscation: boolean } | null
  readonly n: number
  readonly temperature: number
  readonly top_p: number
  readonly top_k: number
  readonly min_p: number
  readonly repetition_penalty: number
  readonly seed: number | null
  readonly stop: readonly string[]
  readonly presence_penalty: number
  readonly frequency_penalty: number
  readonly logit_bias: Readonly<Record<string, number>> | null
  readonly user: string | null
}

/** More texts of one request are several requests. */
export const MOST_TEXTS = 128

export const SAMPLING_FIELDS: { readonly [K in keyof SamplingFields]: Field<SamplingFields[K]> } = {
  model: text('the name of a model'),
  stream: optional(flag(), false),
  stream_options: nullable(
    v.strictObject({
      include_usage: optional(flag(), false),
      include_obfuscation: optional(flag(), false),
    }),
  ),
  n: optional(integer({ min: 1, max: MOST_TEXTS }), 1),
  temperature: optional(decimal({ min: 0, max: 2 }), 1),
  top_p: optional(decimal({ above: 0, max: 1 }), 1),
  top_k: optional(integer({ min: 0 }), 0),
  min_p: optional(decimal({ min: 0, max: 1 }), 0),
  repetition_penalty: optional(decimal({ above: 0 }), 1),
  seed: nullable(integer()),
  stop: stops(),
  presence_penalty: optional(decimal({ min: -2, max: 2 }), 0),
  frequency_penalty: optional(decimal({ min: -2, max: 2 }), 0),
  logit_bias: nullable(v.record(v.string(), v.number())),
  user: nullable(v.string()),
}

/** Of these another value than the usual one is refused. */
export function refusedSampling({
  presence_penalty,
  frequency_penalty,
  logit_bias,
  min_p,
  top_p,
  repetition_penalty,
}: SamplingFields): ConfigFailure[] {
  const absent = 'is not there; repetition_penalty is'
  return [
    ...(presence_penalty === 0 ? [] : [refusal('presence_penalty', absent)]),
    ...(frequency_penalty === 0 ? [] : [refusal('frequency_penalty', absent)]),
    ...(Object.keys(logit_bias ?? {}).length === 0 ? [] : [refusal('logit_bias', 'is not there')]),
    ...(min_p > 0 && (top_p < 1 || repetition_penalty !== 1)
      ? [refusal('min_p', 'goes alone, without top_p and repetition_penalty')]
      : []),
  ]
}

/** A failure of a field that is understood and not there. */
export function refusal(name: string, what: string): ConfigFailure {
  return { code: 'E_CONFIG', path: [name], what: `${name} ${what}` }
}

/** Without a seed each request has another one. Negative seeds are seeds too. */
export function samplingOf(fields: SamplingFields): Omit<SamplingOptions, 'stopIds' | 'maxNewTokens'> & {
  readonly seed: number
} {
  const { temperature, top_p, top_k, min_p, repetition_penalty, seed } = fields
  return {
    temperature,
    topP: top_p,
    topK: top_k,
    minP: min_p,
    repetitionPenalty: repetition_penalty,
    seed: seed === null ? randomInt(2 ** 32) : Math.abs(seed),
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** A text or several. */
function stops(): Field<readonly string[]> {
  const some = v.union([v.string(), listOf(v.string())], 'expected a text or a list of texts')
  return v.pipe(
    v.nullish(some, () => []),
    v.transform((given) => (typeof given === 'string' ? [given] : given)),
    v.maxLength(16, 'expected at most 16 texts'),
  )
}
