/**
 * The roofline of a row: the share of the peak that is reachable when every part takes at least the time of its
 * multiply-adds and at least that of a copy of the bytes it must move. It says which floors the machine forbids; what
 * stands between a kernel and its roofline is the kernel's. Results that stay in the caches can beat it, as bytes count at the speed of memory.
 */
import type { ArrayInputs, ArrayOutputs, ArrayView } from '../../core/contracts/device.ts'
import { formatNumber, type Row, type Roofline } from './_topic.ts'

/** What one part computes, and what it reads and writes at least. */
export interface Part {
  readonly flop: number
  readonly bytes: number
}

/** What the machine reached in the same run: operations and bytes (read and written) a second. */
export interface Rates {
  readonly flop: number
  readonly bytes: number
}

export function secondsOf({ flop, bytes }: Part, rates: Rates): number {
  return Math.max(flop / rates.flop, bytes / rates.bytes)
}

/** Parts run one after the other; `counted`: the FLOP that the row counts. */
export function roofline(parts: readonly Part[], counted: number, rates: Rates): Roofline {
  const seconds = parts.reduce((sum, part) => sum + secondsOf(part, rates), 0)
  const flop = parts.reduce((sum, part) => sum + part.flop, 0)
  const bytes = parts.reduce((sum, part) => sum + part.bytes, 0)
  const ms = (value: number): string => `${formatNumber(value * 1000)} ms`
  return {
    share: counted / rates.flop / seconds,
    why:
      `the longer for each of ${parts.length} parts: ${ms(flop / rates.flop)} of multiply-adds at ${formatNumber(rates.flop / 1e9)} GFLOP/s, ` +
      `${ms(bytes / rates.bytes)} for ${formatNumber(bytes / 1e6)} MB at ${formatNumber(rates.bytes / 1e9)} GB/s`,
  }
}

/** A line for every row below its floor that has a roofline. */
export function formatRooflines(rows: readonly Row[]): string[] {
  return rows.flatMap((row) => {
    const { name, ratio, floor, roofline: limit } = row
    if (!limit || ratio === null || floor === null || ratio >= floor) return []
    const [share, reached] = [limit.share.toFixed(2), (ratio / limit.share).toFixed(2)]
    return [`${name}: ${ratio.toFixed(2)} is ${reached} of its roofline of ${share} (${limit.why})`]
  })
}

/** What one call of an op computes at least and moves at least. */
export function workOf(op: string, inputs: ArrayInputs, outputs: ArrayOutputs): Part {
  const sizeOf = (view: ArrayView | null | undefined): number => view?.bytes ?? 0
  const written = Object.values(outputs).reduce((sum, view) => sum + sizeOf(view), 0)
  const read = Object.values(inputs).reduce((sum, view) => sum + sizeOf(view), 0)
  // Only the rows that are looked up are read.
  if (op === 'embedding') return { flop: 0, bytes: 2 * written }
  return { flop: flopOf(op, inputs, outputs), bytes: read + written }
}

const LINEAR = new Set(['linear', 'linear_backward', 'linear_quantized', 'linear_quantized_backward'])

function flopOf(op: string, inputs: ArrayInputs, outputs: ArrayOutputs): number {
  const { weight, loraA, q, offsetsQ, h } = inputs
  if (LINEAR.has(op)) {
    // The parts of a packed weight have shapes of their own.
    const isForward = !inputs.dy
    const [y, x] = [inputs.dy ?? outputs.y, inputs.x ?? outputs.dx ?? loraA]
    const [outs, ins] = [y?.shape.at(-1) ?? 0, x?.shape.at(-1) ?? 0]
    const rank = loraA?.shape[0] ?? 0
    const rows = (y?.size ?? 0) / outs
    const perRow = isForward
      ? ins * outs + rank * (ins + outs)
      : (outputs.dx ? ins * outs + rank * (ins + outs) : 0) +
        (outputs.dw ? ins * outs : 0) +
        (outputs.da ? rank * ins : 0) +
        (outputs.db ? rank * outs : 0)
    return 2 * rows * perRow
  }
  if (weight && h && op === 'linear_cross_entropy') {
    const products = 1 + Number(Boolean(outputs.dh)) + Number(Boolean(outputs.dw))
    return 2 * products * h.size * weight.shape[0]
  }
  if (q && offsetsQ && (op === 'attention' || op === 'attention_backward')) {
    // A causal mask over documents of one length leaves the fewest pairs.
    const [tokens, heads, size] = q.shape
    const pairs = (heads * tokens * (tokens / (offsetsQ.size - 1) + 1)) / 2
    return (op === 'attention' ? 2 : 5) * 2 * pairs * size
  }
  return 0
}
