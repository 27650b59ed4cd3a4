/**
 * Local steps (Stich 2018, arXiv 1805.09767; DiLoCo, Douillard et al. 2023, arXiv 2311.08105): each worker makes some optimizer steps of its own, with
 * moments of its own, and then all take the mean of where they went.
 *
 *   u = e + (θ − θ_w)     c_w = C(u)     e ← u − c_w     θ ← θ − rate · mean c_w
 *
 * With one step a round it is the optimizer's update that is sent, and not the gradient.
 */
import { expectInteger } from '../../../core/tensor/expect.ts'
import { type LocalRoundsOptions, outerStep } from './outer-step.ts'
import type { SendKind } from './send-kind.ts'
import type { UpdateWorker } from './update-worker.ts'

/** When rounds end. */
export interface RoundSchedule {
  /** Steps of a round; default 5. */
  readonly every?: number
  readonly totalSteps: number
}

/**
 * What is sent after so many steps: all of it after the first, where updates are largest, and after the last, so that nothing is left over; null: nothing.
 *
 * @example
 * ```ts
 * import { sentAfter } from 'tritune/plugins/vsa-optim'
 *
 * const kinds = [1, 2, 5, 10, 12].map((steps) => sentAfter(steps, { every: 5, totalSteps: 12 }))
 * console.log(kinds.join(' ')) // → dense  compressed compressed last
 * ```
 */
export function sentAfter(steps: number, { every = 5, totalSteps }: RoundSchedule): SendKind | null {
  expectInteger('sentAfter', 'every', every, { min: 1 })
  if (steps === totalSteps) return 'last'
  if (steps === 1) return 'dense'
  return steps % every === 0 ? 'compressed' : null
}

/** The rounds of one worker. */
export interface LocalRounds {
  /** θ, the weights that all workers had after the last round; do not write to it. */
  readonly shared: Float32Array
  /** What the worker tells of the weights that it has come to. */
  send(weights: Float32Array, kind: SendKind): Uint8Array<ArrayBuffer>
  /** The weights to go on with, from the messages of all workers. */
  receive(messages: readonly Uint8Array[], kind: SendKind): Float32Array
}

/**
 * Rounds from shared weights on. Where messages are exact, weights are sent and not differences, so one worker alone has its own weights again to the
 * bit.
 *
 * @example
 * ```ts
 * import { localRounds, updateLayout, updateWorker } from 'tritune/plugins/vsa-optim'
 *
 * const layout = updateLayout(new Map([['w', { shape: [4] }]]))
 * const start = Float32Array.of(1, 2, 3, 4)
 * using one = updateWorker({ layout, worker: 0, workers: 2, codec: 'int8' })
 * using other = updateWorker({ layout, worker: 1, workers: 2, codec: 'int8' })
 * const rounds = [one, other].map((worker) => localRounds(worker, start))
 * const went = [Float32Array.of(0, 2, 3, 4), Float32Array.of(1, 2, 3, 2)]
 * const messages = rounds.map((round, i) => round.send(went[i], 'compressed'))
 * console.log([...rounds[0].receive(messages, 'compressed')].map((x) => x.toFixed(1)).join(' ')) // → 0.5 2.0 3.0 3.0
 * ```
 */
export function localRounds(
  worker: UpdateWorker,
  start: Float32Array,
  options: LocalRoundsOptions = {},
): LocalRounds {
  const outer = outerStep(worker.isExact, start, options)
  return {
    shared: outer.shared,
    send: (weights, kind) => worker.send(outer.way(weights), kind),
    receive: (messages, kind) => outer.take(worker.receive(messages, kind)),
  }
}
