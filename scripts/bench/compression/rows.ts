/**
 * The rows of `bench compression`: for each way the gap of its loss and how many times fewer bytes, as sent and as received.
 */
import { mean } from '../_measure.ts'
import type { Row } from '../_topic.ts'
import { meanInterval } from './interval.ts'
import type { Method } from './methods.ts'
import type { Outcome } from './simulate.ts'

/** A way with its best rate, and plain training with its own; outcomes by seed. */
export interface Tuned {
  readonly rate: number
  /** Both neighbours were tried. */
  readonly isInterior: boolean
  /** Rates that were tried. */
  readonly tries: number
  readonly outcomes: readonly Outcome[]
}

/** One way of one number of workers. */
export interface Measured {
  readonly name: string
  readonly method: Method
  readonly workers: number
  readonly steps: number
  readonly dense: Tuned
  readonly own: Tuned
  /** The loss before training. */
  readonly untrained: number
}

export function compressionRows(all: readonly Measured[]): Row[] {
  return all.flatMap((one) => [gapRow(one), bytesRow(one), receivedRow(one)])
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** ratio: the loss over that of plain training, mean over the seeds. */
function gapRow({ name, method: { goal }, steps, dense, own, untrained }: Measured): Row {
  const ratios = own.outcomes.map(({ reported }, i) => reported / dense.outcomes[i].reported)
  const { mean: ratio, low, high } = meanInterval(ratios)
  const interval = ratios.length < 2 ? '' : ` (${percent(low)} … ${percent(high)} of 95 %)`
  const [{ kept, backlog }] = own.outcomes
  const ours = mean(own.outcomes.map(({ reported }) => reported))
  const peer = mean(dense.outcomes.map(({ reported }) => reported))
  const lost = (100 * (ours - peer)) / (untrained - peer)
  return {
    name: `${name}: loss`,
    ours,
    peer,
    unit: 'nats',
    ratio,
    floor: goal && 1 + 1.5 * goal.gap,
    goal: goal && 1 + goal.gap,
    better: 'lower',
    note: `gaps ${ratios.map(percent).join(', ')}${interval}${goal ? verdict(high, goal.gap, steps) : ''}; ${lost.toFixed(1)} % of what training gains from ${untrained.toFixed(3)}; rate ${rate(own)}, of dense ${rate(dense)}; δ ${kept.toFixed(2)}, backlog ${backlog.toFixed(1)}`,
  }
}

/** Said in advance: after so many steps a claim stands by the upper end of its interval, or not at all. */
const STEPS_OF_CLAIMS = 1000

function verdict(high: number, gap: number, steps: number): string {
  if (steps < STEPS_OF_CLAIMS) return ''
  return high <= 1 + gap ? `, so ≤ ${100 * gap} % stands` : `, so ≤ ${100 * gap} % is not shown`
}

function percent(ratio: number): string {
  return `${(100 * (ratio - 1)).toFixed(2)} %`
}

/** ratio: f32 of every step over what a worker sent. */
function bytesRow({ name, method: { goal }, own: { outcomes } }: Measured): Row {
  const [{ sentBytes, denseBytes }] = outcomes
  const ratio = denseBytes / sentBytes
  return {
    name: `${name}: sent`,
    ours: sentBytes / 2 ** 20,
    peer: denseBytes / 2 ** 20,
    unit: 'MiB',
    ratio,
    floor: goal && goal.ratio,
    goal: null,
    better: 'higher',
    note: `${(ratio / 2).toFixed(1)} × fewer than bf16`,
  }
}

/** ratio: what a ring of f32 receives over the fewer of every message to every worker and of two hops. */
function receivedRow({ name, workers, steps, own: { outcomes } }: Measured): Row {
  const [{ sentBytes, receivedBytes, denseBytes }] = outcomes
  const ring = (2 * (workers - 1) * denseBytes) / workers
  const hops = (2 * (workers - 1) * sentBytes) / workers
  const codec = mean(outcomes.map(({ codecSeconds }) => codecSeconds))
  // Half a ring of f32 is one of bf16. Below this rate of the link the time of coding is won back.
  const saved = ring / 2 - receivedBytes
  const breakEven =
    saved > 0
      ? `worth its coding (${((1000 * codec) / steps).toFixed(1)} ms a step) below ${((8 * saved) / codec / 1e6).toFixed(0)} Mb/s`
      : 'never worth it'
  return {
    name: `${name}: received`,
    ours: receivedBytes / 2 ** 20,
    peer: ring / 2 ** 20,
    unit: 'MiB',
    ratio: ring / receivedBytes,
    floor: null,
    goal: null,
    better: 'higher',
    note: `${(ring / 2 / receivedBytes).toFixed(1)} × fewer than a ring of bf16; in two hops ${(ring / hops).toFixed(1)} × fewer than f32; beside a ring of bf16 ${breakEven}`,
  }
}

function rate({ rate: value, isInterior, tries }: Tuned): string {
  return `${value} of ${tries} tried${isInterior ? '' : ' (at their edge)'}`
}
