/**
 * The outer step of local steps: what a worker tells of the weights that it has come to, and what it makes of the mean of all.
 *
 *   way = θ − θ_w     θ ← θ − rate · mean      (Nesterov over the rounds: v ← μ v + mean, θ ← θ − rate · (mean + μ v))
 *
 * Where messages are exact, weights are told and not differences, so one worker alone has its own weights again to the bit.
 */
import { expectNumber } from '../../../core/tensor/expect.ts'
import { TrituneError } from '../../../core/mod.ts'

/** How the mean is taken. */
export interface LocalRoundsOptions {
  /** Of the mean, how much is taken; default 1. */
  readonly rate?: number
  /** Nesterov's, over the rounds; default 0. DiLoCo has a rate of 0.7 and a momentum of 0.9. */
  readonly momentum?: number
  /** Where `shared` is kept; default: an array of its own. */
  readonly memory?: Float32Array
  /** Where the velocity of the momentum is kept, from what is in it on; default: an array of its own. */
  readonly velocity?: Float32Array
}

export interface OuterStep {
  /** θ, the weights that all workers had after the last round; do not write to it. */
  readonly shared: Float32Array
  /** What is told of these weights. Throws E_SHAPE for others than the shared ones. */
  way(weights: Float32Array): Float32Array
  /** The weights to go on with, from the mean of what all told. */
  take(mean: Float32Array): Float32Array
}

export function outerStep(
  isExact: boolean,
  start: Float32Array,
  {
    rate = 1,
    momentum = 0,
    memory: shared = new Float32Array(start.length),
    velocity = new Float32Array(momentum === 0 ? 0 : start.length),
  }: LocalRoundsOptions = {},
): OuterStep {
  expectNumber('localRounds', 'rate', rate, { min: 0, above: true })
  expectNumber('localRounds', 'momentum', momentum, { min: 0, max: 1, below: true })
  shared.set(start)
  return {
    shared,
    way(weights) {
      if (weights.length !== shared.length)
        throw new TrituneError('E_SHAPE', `the rounds are of ${shared.length} weights, got ${weights.length}`)
      return isExact ? weights : shared.map((value, i) => value - weights[i])
    },
    take(mean) {
      if (isExact && rate === 1 && momentum === 0) {
        shared.set(mean)
        return shared
      }
      for (let i = 0; i < shared.length; i++) {
        const way = isExact ? shared[i] - mean[i] : mean[i]
        if (momentum > 0) velocity[i] = momentum * velocity[i] + way
        shared[i] -= rate * (momentum > 0 ? way + momentum * velocity[i] : way)
      }
      return shared
    },
  }
}
