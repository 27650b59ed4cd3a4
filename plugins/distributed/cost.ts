/**
 * What a step on many processes costs, before one has them: a ring over a link, with steps that differ from process to process. A model: its
 * constants are measured (`bun run bench links`), its use is to tell 30 % from 95 %, not 93 % from 95 %.
 */
import { TrituneError } from '../../core/mod.ts'

/** What connects the processes. */
export interface Link {
  readonly bytesPerSecond: number
  /** Of one message. */
  readonly latencySeconds: number
}

/** Measured with two processes on one machine, whose links are shaped to these rates; docs/distributed.md has the command. */
export const LINKS: Readonly<Record<'100 Mb/s' | '1 Gb/s' | '10 Gb/s', Link>> = {
  '100 Mb/s': { bytesPerSecond: 11.8e6, latencySeconds: 30e-6 },
  '1 Gb/s': { bytesPerSecond: 118e6, latencySeconds: 30e-6 },
  '10 Gb/s': { bytesPerSecond: 1.15e9, latencySeconds: 30e-6 },
}

/** A step of a job, for `stepCost()`. */
export interface StepCostOptions {
  readonly processes: number
  /** Of all gradients that are shared: 4 for each trained weight. */
  readonly gradientBytes: number
  readonly link: Link
  /** Seconds of computation in a step, as they were seen on one process: metrics.jsonl has them. One number will do. */
  readonly stepSeconds: readonly number[]
  /** Steps between two exchanges; default: 1. */
  readonly every?: number
}

/** Seconds of a step, all of them means. */
export interface StepCost {
  /** Of the process that is looked at. */
  readonly computing: number
  /** For the slowest of all processes. */
  readonly waiting: number
  readonly sharing: number
  /** The part of a step in which processes compute. */
  readonly efficiency: number
}

/**
 * What a step costs on many processes: each waits for the slowest, then the gradients go round.
 *
 * @example
 * ```ts
 * import { LINKS, stepCost } from 'tritune/plugins/distributed'
 *
 * const lora = { gradientBytes: 4 * 4.9e6, stepSeconds: [6.6], processes: 64 } // SmolLM2-135M, r 16, on a CPU
 * console.log(stepCost({ ...lora, link: LINKS['1 Gb/s'] }).efficiency > 0.9) // → true
 * ```
 */
export function stepCost({
  processes,
  gradientBytes,
  link,
  stepSeconds,
  every = 1,
}: StepCostOptions): StepCost {
  expectWhole('processes', processes)
  expectWhole('every', every)
  if (stepSeconds.length === 0 || stepSeconds.some((seconds) => !(seconds > 0)))
    throw new TrituneError('E_VALUE', 'stepSeconds needs times of steps, each above 0')
  const computing = mean(stepSeconds)
  const waiting = (slowestOf(stepSeconds, processes, every) - every * computing) / every
  const sharing = sumSeconds(processes, gradientBytes, link) / every
  return { computing, waiting, sharing, efficiency: computing / (computing + waiting + sharing) }
}

/**
 * Seconds to add up so many bytes over all processes: the bytes of a ring, and as many messages as a tree has levels, up and down.
 *
 * @example
 * ```ts
 * import { sumSeconds } from 'tritune/plugins/distributed'
 *
 * console.log(sumSeconds(2, 1e9, { bytesPerSecond: 1e9, latencySeconds: 0 })) // → 1
 * ```
 */
export function sumSeconds(
  processes: number,
  bytes: number,
  { bytesPerSecond, latencySeconds }: Link,
): number {
  const share = (2 * (processes - 1)) / processes
  const messages = Math.min(2 * (processes - 1), 2 * Math.ceil(Math.log2(processes)))
  return (share * bytes) / bytesPerSecond + messages * latencySeconds
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/**
 * The expected time of `every` steps of the slowest process, when each step is drawn from those that were seen. For one step it is exact: the
 * k-th smallest of n times is the largest of p draws with probability (k/n)ᵖ − ((k−1)/n)ᵖ. Sums of several are taken as normal.
 */
function slowestOf(times: readonly number[], processes: number, every: number): number {
  const sorted = times.toSorted((a, b) => a - b)
  const n = sorted.length
  const one = sorted.reduce(
    (sum, time, k) => sum + time * (((k + 1) / n) ** processes - (k / n) ** processes),
    0,
  )
  // What the slowest has over the mean grows with the root of the steps, since slow and fast ones even out.
  const average = mean(times)
  return every * average + Math.sqrt(every) * (one - average)
}

function mean(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0) / values.length
}

function expectWhole(name: string, value: number): void {
  if (Number.isSafeInteger(value) && value >= 1) return
  throw new TrituneError('E_VALUE', `${name}: expected a whole number from 1, got ${value}`)
}
