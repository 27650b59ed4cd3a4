/**
 * How the next token of a text is chosen: the options, checked, and the choice. One text at a time and texts in batches choose alike.
 */
import {
  add,
  affine,
  amax,
  greater,
  type Model,
  sample,
  tensor,
  type Tensor,
  TrituneError,
} from '../../core/mod.ts'

/** How tokens are chosen, and when a text ends. Defaults: 128 new tokens at most, greedy. */
export interface SamplingOptions {
  readonly maxNewTokens?: number
  /** 0 = greedy. */
  readonly temperature?: number
  /** Only the k most likely tokens; 0 = all. */
  readonly topK?: number
  /** Only the smallest set of tokens with this much probability; 1 = all. */
  readonly topP?: number
  /** Only tokens that are at least this part as likely as the most likely one; 0 = all. Alone: not beside top-p or a penalty. */
  readonly minP?: number
  /** Above 1 makes tokens that occurred less likely (prompt included), as in transformers; 1 = off. */
  readonly repetitionPenalty?: number
  /** Generation ends after one of these; it is not part of the result. */
  readonly stopIds?: readonly number[]
  readonly seed?: number
}

export type Sampling = Required<SamplingOptions>

/** With defaults. Throws E_CONFIG for an option out of range. */
export function checkedSampling({
  maxNewTokens = 128,
  temperature = 0,
  topK = 0,
  topP = 1,
  minP = 0,
  repetitionPenalty = 1,
  stopIds = [],
  seed = 0,
}: SamplingOptions): Sampling {
  checkOption(
    'maxNewTokens',
    maxNewTokens,
    Number.isInteger(maxNewTokens) && maxNewTokens >= 0,
    'an integer from 0',
  )
  checkOption('temperature', temperature, temperature >= 0 && temperature < Infinity, 'a number from 0')
  checkOption('topK', topK, Number.isInteger(topK) && topK >= 0, 'an integer from 0')
  checkOption('topP', topP, topP > 0 && topP <= 1, 'a number above 0 and at most 1')
  checkOption('minP', minP, minP >= 0 && minP <= 1, 'a number from 0 to 1')
  checkOption('repetitionPenalty', repetitionPenalty, repetitionPenalty > 0, 'a number above 0')
  checkOption('seed', seed, Number.isSafeInteger(seed) && seed >= 0, 'an integer from 0')
  if (minP > 0 && (topP < 1 || repetitionPenalty !== 1))
    throw new TrituneError('E_CONFIG', 'minP goes alone: topP and repetitionPenalty come before it', {
      remedy: 'set topP: 1 and repetitionPenalty: 1, or minP: 0',
    })
  return { maxNewTokens, temperature, topK, topP, minP, repetitionPenalty, stopIds, seed }
}

/** Throws E_DATA for an empty prompt, E_SHAPE for one that fills the context of `contextLength`. */
export function checkPrompt(prompt: readonly number[], contextLength: number): void {
  if (prompt.length === 0)
    throw new TrituneError('E_DATA', 'the prompt is empty', { remedy: 'give at least one token' })
  if (prompt.length < contextLength) return
  throw new TrituneError(
    'E_SHAPE',
    `the prompt has ${prompt.length} tokens, the model knows ${contextLength}`,
    {
      remedy: 'shorten the prompt',
    },
  )
}

/** Logits (1, V) f32 → the token (1) i32 after `history`, of which `made` tokens are new. */
export function chooseToken(
  logits: Tensor,
  { temperature, topK, topP, minP, repetitionPenalty, seed }: Sampling,
  history: readonly number[],
  made: number,
): Tensor {
  const seen =
    repetitionPenalty === 1 ? null : tensor([...new Set(history)], { dtype: 'i32', device: logits.device })
  const key = Uint32Array.of(seed, seed / 2 ** 32, made, SAMPLING_SITE, 0, 0)
  const left = minP > 0 && temperature > 0 ? likely(logits, temperature * Math.log(minP)) : logits
  return sample(left, { temperature, topK, topP, repetitionPenalty, history: seen, key })
}

/** How many positions a text of the model has, without what stands before it. */
export function roomOf({ info: { contextLength } }: Pick<Model, 'info'>, lead: number): number {
  return contextLength - lead
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Moves logits that are less than the largest plus `span` (which is negative) out of reach. */
function likely(logits: Tensor, span: number): Tensor {
  const least = affine(amax(logits, { axis: 1, keepDims: true }), { shift: span })
  return add(logits, affine(greater(least, logits), { scale: -1e30 }))
}

function checkOption(name: string, value: number, isGood: boolean, expected: string): void {
  if (!isGood) throw new TrituneError('E_CONFIG', `${name}: expected ${expected}, got ${value}`)
}

/** Keeps sampling noise apart from dropout noise. */
const SAMPLING_SITE = 0x5a4d504c
