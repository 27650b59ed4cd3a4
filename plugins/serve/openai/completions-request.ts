/**
 * The body of /v1/completions, checked: https://platform.openai.com/docs/api-reference/completions/create.
 */
import {
  type ConfigFailure,
  defineOptions,
  type Field,
  flag,
  integer,
  listOf,
  nullable,
  optional,
} from '../../../core/mod.ts'
import * as v from 'valibot'
import {
  MOST_TEXTS,
  refusal,
  refusedSampling,
  SAMPLING_FIELDS,
  type SamplingFields,
} from './sampling-fields.ts'

/** A text, or ids. */
export type GivenPrompt = string | readonly number[]

export interface CompletionsRequest extends SamplingFields {
  readonly prompt: readonly GivenPrompt[]
  readonly max_tokens: number
  /** How many likely tokens are told with each. */
  readonly logprobs: number | null
  readonly echo: boolean
  readonly best_of: number | null
  readonly suffix: string | null
}

/** Throws E_CONFIG and E_CONFIG_KEY for what is wrong with it. */
export function readCompletionsRequest(body: unknown): CompletionsRequest {
  return REQUEST.validate(body)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const REQUEST = defineOptions<CompletionsRequest>(
  {
    ...SAMPLING_FIELDS,
    prompt: prompts(),
    max_tokens: optional(integer({ min: 0 }), 16),
    logprobs: nullable(integer({ min: 0, max: 20 })),
    echo: optional(flag(), false),
    best_of: nullable(integer({ min: 1 })),
    suffix: nullable(v.string()),
  },
  [refusedSampling, refused],
)

/** One or several, each a text or ids. */
function prompts(): Field<readonly GivenPrompt[]> {
  const ids = listOf(v.pipe(v.number(), v.integer(), v.minValue(0)))
  const one = v.union([v.string(), v.pipe(ids, v.minLength(1))])
  const given = v.union(
    [v.string(), v.pipe(ids, v.minLength(1)), v.pipe(listOf(one), v.minLength(1))],
    'expected a text, a list of texts, a list of token ids, or a list of those',
  )
  return v.pipe(
    given,
    v.transform((value): readonly GivenPrompt[] => {
      if (typeof value === 'string') return [value]
      const ids = value.filter((one) => typeof one === 'number')
      return ids.length > 0 ? [ids] : value.filter((one) => typeof one !== 'number')
    }),
  )
}

function refused({ prompt, n, echo, best_of, suffix }: CompletionsRequest): ConfigFailure[] {
  return [
    ...(echo ? [refusal('echo', 'is not there')] : []),
    ...(suffix === null || suffix === '' ? [] : [refusal('suffix', 'is not there')]),
    ...(best_of === null || best_of === n ? [] : [refusal('best_of', 'is not there; n is')]),
    ...(prompt.length * n > MOST_TEXTS
      ? [
          {
            path: ['prompt'],
            what: `${prompt.length} prompts × n ${n}: at most ${MOST_TEXTS} texts in a request`,
          },
        ]
      : []),
  ]
}
