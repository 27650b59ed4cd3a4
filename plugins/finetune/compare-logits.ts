/**
 * How far two models are from each other on a prompt: what merging or packing changed. Not an evaluation.
 */
import { headLogits, type Model, noGrad, tensorScope } from '../../core/mod.ts'
import { createBatch } from '../models/mod.ts'

/** What `compareLogits()` found. */
export interface LogitDifference {
  /** Tokens of the prompt. */
  readonly tokens: number
  /** The largest |Δ logit| over all tokens. */
  readonly largest: number
  /** The largest |logit| of the first model, to compare it with. */
  readonly magnitude: number
  /** Tokens after which both models name the same one first. */
  readonly sameFirst: number
}

/** Runs both on the same ids, with the adapters that are active on each. */
export function compareLogits(one: Model, other: Model, ids: readonly number[]): LogitDifference {
  const [a, b] = [logitsOf(one, ids), logitsOf(other, ids)]
  const width = a.length / ids.length
  let [largest, magnitude, sameFirst] = [0, 0, 0]
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs(a[i] - b[i])
    // NaN on either side must be seen.
    if (!(difference <= largest)) largest = difference
    magnitude = Math.max(magnitude, Math.abs(a[i]))
  }
  for (let row = 0; row < ids.length; row++) {
    const of = (values: Float32Array): number =>
      indexOfLargest(values.subarray(row * width, (row + 1) * width))
    if (of(a) === of(b)) sameFirst++
  }
  return { tokens: ids.length, largest, magnitude, sameFirst }
}

function logitsOf(model: Model, ids: readonly number[]): Float32Array {
  using _scope = tensorScope()
  const { device } = model.embedding
  return noGrad(() => headLogits(model.head, model.hidden(createBatch({ ids }, device))).toArray())
}

function indexOfLargest(values: Float32Array): number {
  return values.reduce((best, value, i) => (value > values[best] ? i : best), 0)
}
