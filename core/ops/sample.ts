/**
 * The next token of each row of logits: repetition penalty, temperature, top-k, top-p, then one keyed random number.
 */
import { TrituneError } from '../errors.ts'
import { wordAt } from '../tensor/noise.ts'
import { expectOptions, expectInteger, expectKey, expectNumber, expectRows } from '../tensor/expect.ts'
import { defineOp, expectDType, type Op, run } from '../tensor/op.ts'
import { expectShape } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'

/**
 * Inputs of the op `sample`: logits of V tokens in each row, f32 or bf16, and the tokens that the repetition penalty
 * meets.
 */
export type SampleInputs = {
  readonly logits: Tensor // (rows, V)
  readonly history: Tensor | undefined // (any) i32: tokens that the penalty meets
}

/**
 * Numbers of the op `sample`, applied in this order: penalty, temperature, top-k, top-p; then a random number by
 * `key`.
 */
export interface SampleParams {
  /** 0: the largest logit, the lowest index among equals. NaN is never chosen. */
  readonly temperature: number
  /** 0: off; 1: as temperature 0. */
  readonly topK: number
  /** 1: off. Keeps the token that crosses it. */
  readonly topP: number
  /** Divides positive and multiplies negative logits of tokens in `history`; 1: off. */
  readonly repetitionPenalty: number
  readonly key: Uint32Array<ArrayBuffer>
}

/**
 * The op `sample`: logits → ids (rows) i32. Use `sample()`. Throws E_NAN for a row without a number above −Inf,
 * E_SHAPE for a token of the history that is not below V.
 */
export const sampleOp: Op<SampleInputs, SampleParams, { readonly ids: Tensor }> = defineOp({
  name: 'sample',
  outputs({ logits, history }, { temperature, topK, topP, repetitionPenalty, key }) {
    expectNumber('sample', 'temperature', temperature, { min: 0 })
    expectInteger('sample', 'topK', topK)
    expectNumber('sample', 'topP', topP, { min: 0, max: 1, above: true })
    expectNumber('sample', 'repetitionPenalty', repetitionPenalty, { min: 0, above: true })
    expectKey('sample', key)
    expectDType('sample', 'logits', logits, ['f32', 'bf16'])
    expectShape('sample logits', logits.shape, [logits.shape[0], logits.shape[1]])
    expectRows('sample logits', logits.shape)
    if (history) expectDType('sample', 'history', history, ['i32'])
    return { ids: { shape: [logits.shape[0]], dtype: 'i32' } }
  },
  reference({ inputs: { logits, history }, params, outputs: { ids } }) {
    const vocabulary = logits.shape[1]
    for (let row = 0; row < ids.data.length; row++) {
      const scores = logits.data.slice(row * vocabulary, (row + 1) * vocabulary)
      for (const token of new Set(history?.data)) {
        if (token < 0 || token >= vocabulary)
          throw new TrituneError(
            'E_SHAPE',
            `sample: token ${token} of the history is not below ${vocabulary}`,
          )
        const score = scores[token]
        scores[token] = score > 0 ? score / params.repetitionPenalty : score * params.repetitionPenalty
      }
      for (const [token, score] of scores.entries()) if (Number.isNaN(score)) scores[token] = -Infinity
      if (scores.every((score) => score === -Infinity))
        throw new TrituneError(
          'E_NAN',
          `sample: row ${row} of the logits has no number above -Inf (all NaN or -Inf)`,
        )
      ids.data[row] = choose(scores, params, wordAt(params.key, row) * 2 ** -32)
    }
  },
})

/**
 * logits (rows, V), f32 or bf16 → (rows) i32. No gradient.
 *
 * @example
 * ```ts
 * import { sample, tensor, tensorScope } from 'tritune/core'
 *
 * using _scope = tensorScope()
 * const logits = tensor([0, 3, 1], { shape: [1, 3] })
 * const greedy = { temperature: 0, topK: 0, topP: 1, repetitionPenalty: 1 }
 * console.log(sample(logits, { ...greedy, key: new Uint32Array(6), history: null }).item()) // → 1
 * ```
 */
export function sample(logits: Tensor, options: SampleParams & { readonly history: Tensor | null }): Tensor {
  expectOptions('sample', options)
  const { history, ...params } = options
  return run(sampleOp, { logits, history: history ?? undefined }, params).ids
}

function choose(scores: Float64Array, { temperature, topK, topP }: SampleParams, uniform: number): number {
  const order = Array.from(scores.keys()).toSorted((a, b) => scores[b] - scores[a] || a - b)
  if (temperature === 0 || topK === 1 || scores[order[0]] === Infinity) return order[0]
  const weights = scores.map((score) => Math.exp((score - scores[order[0]]) / temperature))
  // Ties of the last of the k stay, as in transformers.
  if (topK > 0 && topK < order.length) {
    const least = weights[order[topK - 1]]
    for (const token of order) if (weights[token] < least) weights[token] = 0
  }
  if (topP < 1) {
    const enough = topP * total(weights)
    let mass = 0
    for (const token of order) {
      const needed = mass === 0 || mass < enough
      mass += weights[token]
      if (!needed) weights[token] = 0
    }
  }
  const target = uniform * total(weights)
  let mass = 0
  let chosen = order[0]
  for (const [token, weight] of weights.entries()) {
    if (weight === 0) continue
    mass += weight
    chosen = token
    if (mass > target) break
  }
  return chosen
}

function total(weights: Float64Array): number {
  return weights.reduce((a, b) => a + b, 0)
}
