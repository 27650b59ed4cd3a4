/**
 * Text from a model: prefill, then one token at a time through the KV cache.
 */
import {
  type ActiveAdapters,
  headLogits,
  leadLength,
  type Model,
  noGrad,
  sample,
  tensor,
  type Tensor,
  tensorScope,
  TrituneError,
  withAdapters,
} from '../../core/mod.ts'
import { createBatch } from '../models/mod.ts'

/** How `generate()` chooses tokens, and when it ends. Defaults: 128 new tokens at most, greedy. */
export interface GenerateOptions {
  readonly maxNewTokens?: number
  /** 0 = greedy. */
  readonly temperature?: number
  /** Only the k most likely tokens; 0 = all. */
  readonly topK?: number
  /** Only the smallest set of tokens with this much probability; 1 = all. */
  readonly topP?: number
  /** Above 1 makes tokens that occurred less likely (prompt included), as in transformers; 1 = off. */
  readonly repetitionPenalty?: number
  /** Generation ends after one of these; it is not part of the result. */
  readonly stopIds?: readonly number[]
  readonly seed?: number
  /** The adapters that count for this text; default: those that are active when each token is made. Texts with different ones may take turns. */
  readonly adapters?: ActiveAdapters
}

/**
 * Yields new token ids as they come. Throws E_CONFIG for an option out of range, E_DATA for an empty prompt, E_SHAPE when prompt and new tokens do not fit
 * into the model's context. Breaking out of the loop frees the cache.
 *
 * @example
 * ```ts
 * import { generate } from 'tritune/plugins/generate'
 * import { loadModel } from 'tritune/plugins/models'
 *
 * using model = loadModel('my-model')
 * const ids = [...generate(model, [1, 5, 9], { maxNewTokens: 4, temperature: 0.7, topP: 0.9, seed: 1 })]
 * console.log(ids.length) // → 4
 * ```
 */
export function* generate(
  model: Model,
  prompt: readonly number[],
  {
    maxNewTokens = 128,
    temperature = 0,
    topK = 0,
    topP = 1,
    repetitionPenalty = 1,
    stopIds = [],
    seed = 0,
    adapters,
  }: GenerateOptions = {},
): Generator<number> {
  checkOption(
    'maxNewTokens',
    maxNewTokens,
    Number.isInteger(maxNewTokens) && maxNewTokens >= 0,
    'an integer from 0',
  )
  checkOption('temperature', temperature, temperature >= 0 && temperature < Infinity, 'a number from 0')
  checkOption('topK', topK, Number.isInteger(topK) && topK >= 0, 'an integer from 0')
  checkOption('topP', topP, topP > 0 && topP <= 1, 'a number above 0 and at most 1')
  checkOption('repetitionPenalty', repetitionPenalty, repetitionPenalty > 0, 'a number above 0')
  checkOption('seed', seed, Number.isSafeInteger(seed) && seed >= 0, 'an integer from 0')
  if (prompt.length === 0)
    throw new TrituneError('E_DATA', 'the prompt is empty', { remedy: 'give at least one token' })
  const withOwn = <T>(fn: () => T): T => (adapters === undefined ? fn() : withAdapters(model, adapters, fn))
  const contextLength = model.info.contextLength - withOwn(() => leadLength(model))
  if (prompt.length >= contextLength) {
    throw new TrituneError(
      'E_SHAPE',
      `the prompt has ${prompt.length} tokens, the model knows ${contextLength}`,
      { remedy: 'shorten the prompt' },
    )
  }
  const capacity = Math.min(contextLength, prompt.length + maxNewTokens)
  using cache = withOwn(() => model.createCache(capacity))
  const history = [...prompt]
  let input = [...prompt]
  for (let made = 0; made < maxNewTokens && history.length < capacity + 1; made++) {
    const next = noGrad(() => {
      using _scope = tensorScope()
      const logits = withOwn(() => lastLogits(model, input, cache))
      const seen =
        repetitionPenalty === 1
          ? null
          : tensor([...new Set(history)], { dtype: 'i32', device: logits.device })
      const key = Uint32Array.of(seed, seed / 2 ** 32, made, SAMPLING_SITE, 0, 0)
      return sample(logits, { temperature, topK, topP, repetitionPenalty, history: seen, key }).item()
    })
    if (stopIds.includes(next)) return
    yield next
    history.push(next)
    if (cache.length >= cache.capacity) return
    input = [next]
  }
}

/** Logits (1, V) f32 of the token after the last one of `ids`, which are appended to the cache. bf16 would tie them. */
function lastLogits(model: Model, ids: readonly number[], cache: ReturnType<Model['createCache']>): Tensor {
  const device = model.head.device
  const positions = Int32Array.from(ids, (_, i) => cache.length + i)
  const hidden = model.hidden(createBatch({ ids, positions }, device), { cache })
  const last = hidden.rowsView(ids.length - 1, 1)
  return headLogits(model.head, last)
}

function checkOption(name: string, value: number, isGood: boolean, expected: string): void {
  if (!isGood) throw new TrituneError('E_CONFIG', `${name}: expected ${expected}, got ${value}`)
}

/** Keeps sampling noise apart from dropout noise. */
const SAMPLING_SITE = 0x5a4d504c
