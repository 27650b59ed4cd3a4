/**
 * The 16 values of nf4 and fp4, in the order of their size.
 */
import { FP4, NF4 } from '../../../core/ops/_codebooks.ts'

/** Values to round to. */
export interface CodeTable {
  /** Ascending. */
  readonly values: Float64Array
  /** The code of each. */
  readonly codes: Uint8Array
  /** The index of the value nearest to x. */
  indexOf(x: number): number
  /** The value nearest to x. */
  nearest(x: number): number
}

const TABLES: Partial<Record<'nf4' | 'fp4', CodeTable>> = {}

export function codeTable(kind: 'nf4' | 'fp4'): CodeTable {
  return (TABLES[kind] ??= tableOf(kind === 'nf4' ? NF4 : FP4))
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function tableOf(byCode: readonly number[]): CodeTable {
  const order = byCode.map((_, code) => code).toSorted((a, b) => byCode[a] - byCode[b])
  const values = Float64Array.from(order, (code) => byCode[code])
  const middles = Float64Array.from({ length: 16 }, (_, i) =>
    i < 15 ? (values[i] + values[i + 1]) / 2 : Infinity,
  )
  const indexOf = (x: number): number => {
    // Halving: the number of midpoints below x.
    let i = x > middles[7] ? 8 : 0
    if (x > middles[i + 3]) i += 4
    if (x > middles[i + 1]) i += 2
    return x > middles[i] ? i + 1 : i
  }
  return { values, codes: Uint8Array.from(order), indexOf, nearest: (x) => values[indexOf(x)] }
}
