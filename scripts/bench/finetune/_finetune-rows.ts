/**
 * What the steps of `bench finetune` become in the table: speed and memory against each peer, the share of the machine's
 * peak, and where the time of our step goes. The floors are here.
 */
import { TrituneError } from '../../../core/errors.ts'
import { type Answer, numberIn } from '../_child.ts'
import { median, medianRatio } from '../_measure.ts'
import type { Roofline, Row } from '../_topic.ts'

/** A counted step of ours. */
export interface OurStep {
  readonly seconds: number
  /** What all of its ops compute: products with frozen weights, LoRA, attention, the head. */
  readonly flop: number
  /** Multiply-adds or tiles a second that the machine reached around the step. */
  readonly peak: number
  /** The share of it that the step's ops can reach, one after the other. */
  readonly roofline: Roofline
  /** Seconds by op. */
  readonly ops: ReadonlyMap<string, number>
}

export function readOurStep(answer: Answer): OurStep {
  const { ops, roofline } = answer
  if (typeof ops !== 'object' || ops === null)
    throw new TrituneError('E_FORMAT', `expected "ops" in ${JSON.stringify(answer)}`)
  const seconds = Object.entries(ops).map(([name, value]): [string, number] => [name, Number(value)])
  return {
    seconds: numberIn(answer, 'seconds'),
    flop: numberIn(answer, 'flop'),
    peak: numberIn(answer, 'peak'),
    ops: new Map(seconds),
    roofline: readRoofline(roofline),
  }
}

function readRoofline(value: unknown): Roofline {
  if (typeof value === 'object' && value !== null && 'share' in value && 'why' in value) {
    const { share, why } = value
    if (typeof share === 'number' && typeof why === 'string') return { share, why }
  }
  throw new TrituneError('E_FORMAT', `expected a roofline, got ${JSON.stringify(value)}`)
}

/** Rows of one peer. */
export function speedRow(
  name: string,
  { ours, peer, note }: { readonly ours: number[]; readonly peer: number[]; readonly note: string },
): Row {
  return {
    name,
    ours: median(ours),
    peer: median(peer),
    unit: 'tokens/s',
    ratio: medianRatio(ours, peer),
    floor: 1.5,
    goal: 2,
    better: 'higher',
    note,
  }
}

/** `limit`: null where the row only informs. */
export function memoryRow(name: string, ours: Answer, peer: Answer, key: string, limit: number | null): Row {
  const [mine, theirs] = [numberIn(ours, key) / 2 ** 20, numberIn(peer, key) / 2 ** 20]
  return {
    name,
    ours: mine,
    peer: theirs,
    unit: 'MiB',
    ratio: mine / theirs,
    floor: limit,
    goal: limit === null ? null : limit * 0.8,
    better: 'lower',
  }
}

/** The step, and its products with frozen weights alone, as shares of what the machine computes at most. */
export function peakRows(
  name: string,
  steps: readonly OurStep[],
  { frozen, limits, of }: { frozen: number; limits: readonly [number | null, number | null]; of: string },
): Row[] {
  const row = (flopOf: (step: OurStep) => number): Omit<Row, 'name' | 'note'> => ({
    ours: median(steps.map((step) => flopOf(step) / step.seconds)) / 1e9,
    peer: median(steps.map(({ peak }) => peak)) / 1e9,
    unit: 'GFLOP/s',
    ratio: median(steps.map((step) => flopOf(step) / step.seconds / step.peak)),
    floor: null,
    goal: null,
    better: 'higher',
  })
  const byShare = steps.map(({ roofline }) => roofline).toSorted((a, b) => a.share - b.share)
  const all = steps[0].flop
  return [
    {
      ...row(({ flop }) => flop),
      name,
      floor: limits[0],
      goal: limits[1],
      note: `of ${of}; ${(all / 1e9).toFixed(0)} GFLOP: products with frozen weights, LoRA, attention, both ways`,
      roofline: byShare[byShare.length >> 1],
    },
    {
      ...row(() => frozen),
      name: `${name}, frozen products alone`,
      note: `${(frozen / 1e9).toFixed(0)} GFLOP of linear layers and head, both ways`,
    },
  ]
}

/** Rows that add up to a step: every op, what is outside of ops, and the step. */
export function whereRows(name: string, steps: readonly OurStep[]): Row[] {
  const names = new Set(steps.flatMap(({ ops }) => [...ops.keys()]))
  const total = median(steps.map(({ seconds }) => seconds))
  // Means of the same steps, scaled to the median step, so that they add up.
  const mean = (of: (step: OurStep) => number): number =>
    steps.reduce((sum, step) => sum + of(step), 0) / steps.length
  const scale = total / mean(({ seconds }) => seconds)
  const parts = [...names].map((op): [string, number] => [op, mean(({ ops }) => ops.get(op) ?? 0) * scale])
  const inside = parts.reduce((sum, [, seconds]) => sum + seconds, 0)
  const listed: [string, number][] = [
    ...parts.toSorted((a, b) => b[1] - a[1]),
    ['outside of ops', total - inside],
    ['together', total],
  ]
  return listed.map(([part, seconds]) => ({
    name: `${name}: ${part}`,
    ours: seconds,
    peer: null,
    unit: 's',
    ratio: null,
    floor: null,
    goal: null,
    better: 'lower',
    note: `${((100 * seconds) / total).toFixed(1)} % of a step`,
  }))
}
