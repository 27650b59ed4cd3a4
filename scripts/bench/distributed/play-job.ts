/**
 * A job of many processes, played from the times of steps that one was seen to take. What the formula of plugins/distributed leaves out is in it: a slow step is
 * seldom alone, so stretches of the trace are drawn and not single steps.
 *
 *   a round: every process computes `every` steps; then all wait for the slowest, and exchange
 */
import { type Random, TrituneError } from '../../../core/mod.ts'
import { expectInteger } from '../../../core/tensor/expect.ts'

export interface PlayedJob {
  /** Seconds of computation, in the order in which they were seen. */
  readonly trace: readonly number[]
  readonly processes: number
  /** Steps of each process. */
  readonly steps: number
  /** Steps of a round; default 1. */
  readonly every?: number
  /** Of what all processes wait for at the end of a round, such as `sumSeconds()`. */
  readonly exchangeSeconds: number
  /** Steps that are drawn together, as they were seen; 1: each by itself. */
  readonly stretch: number
  readonly random: Random
}

/** Seconds of a step, means over the job; what `StepCost` of plugins/distributed has. */
export interface PlayedStep {
  readonly computing: number
  readonly waiting: number
  readonly sharing: number
  readonly efficiency: number
}

/** Plays it once. Throws E_VALUE for a trace that is none, and for counts that are no whole numbers from 1. */
export function playJob({ every = 1, ...job }: PlayedJob): PlayedStep {
  const { trace, processes, steps, exchangeSeconds, stretch, random } = job
  for (const [name, value] of Object.entries({ processes, steps, every, stretch }))
    expectInteger('playJob', name, value, { min: 1 })
  if (trace.length === 0 || trace.some((seconds) => !(seconds > 0 && seconds < Infinity)))
    throw new TrituneError('E_VALUE', 'a trace needs times of steps, each above 0')
  const all = Array.from({ length: processes }, () => drawn(trace, stretch, random))
  let [computed, waited, shared] = [0, 0, 0]
  for (let done = 0; done < steps; done += every) {
    const round = Math.min(every, steps - done)
    let slowest = 0
    let sum = 0
    for (const next of all) {
      let own = 0
      for (let step = 0; step < round; step++) own += next()
      slowest = Math.max(slowest, own)
      sum += own
    }
    const mean = sum / processes
    computed += mean
    waited += slowest - mean
    shared += exchangeSeconds
  }
  const total = computed + waited + shared
  return {
    computing: computed / steps,
    waiting: waited / steps,
    sharing: shared / steps,
    efficiency: computed / total,
  }
}

/** Between what 95 % of as many jobs are, and their mean. */
export function playJobs(
  job: PlayedJob,
  times: number,
): { readonly mean: number; readonly low: number; readonly high: number } {
  expectInteger('playJobs', 'times', times, { min: 1 })
  const found = Array.from({ length: times }, () => playJob(job).efficiency).toSorted((a, b) => a - b)
  const at = (share: number): number => found[Math.round(share * (times - 1))]
  return { mean: found.reduce((sum, one) => sum + one, 0) / times, low: at(0.025), high: at(0.975) }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** The steps of a process: stretches that begin anywhere, around the end of the trace; it joins the first one anywhere, so processes do not change together. */
function drawn(trace: readonly number[], stretch: number, random: Random): () => number {
  let at = 0
  let left = 0
  let isFirst = true
  return () => {
    if (left === 0) {
      at = random.int(trace.length)
      left = isFirst ? 1 + random.int(stretch) : stretch
      isFirst = false
    }
    left--
    at = (at + 1) % trace.length
    return trace[at]
  }
}
