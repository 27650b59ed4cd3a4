/**
 * Text from a model: prefill, then one token at a time through the KV cache.
 */
import {
  type ActiveAdapters,
  headLogits,
  type KvCache,
  leadLength,
  type Model,
  noGrad,
  type Tensor,
  tensorScope,
  withAdapters,
} from '../../core/mod.ts'
import { createBatch } from '../models/mod.ts'
import { checkedSampling, checkPrompt, chooseToken, roomOf, type SamplingOptions } from './_choose.ts'

/** How `generate()` chooses tokens, and when it ends. Defaults: 128 new tokens at most, greedy. */
export interface GenerateOptions extends SamplingOptions {
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
  { adapters, ...options }: GenerateOptions = {},
): Generator<number> {
  const sampling = checkedSampling(options)
  const { maxNewTokens, stopIds } = sampling
  const withOwn = <T>(fn: () => T): T => (adapters === undefined ? fn() : withAdapters(model, adapters, fn))
  checkPrompt(prompt, Infinity)
  const contextLength = roomOf(
    model,
    withOwn(() => leadLength(model)),
  )
  checkPrompt(prompt, contextLength)
  const capacity = Math.min(contextLength, prompt.length + maxNewTokens)
  using cache = withOwn(() => model.createCache(capacity))
  const history = [...prompt]
  let input = [...prompt]
  for (let made = 0; made < maxNewTokens && history.length < capacity + 1; made++) {
    const next = noGrad(() => {
      using _scope = tensorScope()
      const logits = withOwn(() => lastLogits(model, input, cache))
      return chooseToken(logits, sampling, history, made).item()
    })
    if (stopIds.includes(next)) return
    yield next
    history.push(next)
    if (cache.length >= cache.capacity) return
    input = [next]
  }
}

/** Logits (1, V) f32 of the token after the last one of `ids`, which are appended to the cache. bf16 would tie them. */
export function lastLogits(model: Model, ids: readonly number[], cache: KvCache): Tensor {
  const device = model.head.device
  const positions = Int32Array.from(ids, (_, i) => cache.length + i)
  const hidden = model.hidden(createBatch({ ids, positions }, device), { cache })
  const last = hidden.rowsView(ids.length - 1, 1)
  return headLogits(model.head, last)
}
