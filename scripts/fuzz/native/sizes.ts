/**
 * Sizes as they are meant, and the forms of arguments that several rows share.
 */
import type { Dice } from '../random.ts'
import {
  type Argument,
  type BufferArgument,
  type HostArgument,
  type NativeRow,
  type Sizes,
  STREAM,
  bytes,
  dtypeBytes,
  floats,
  of,
} from './row.ts'

export const compute = (d: Dice): number => d.int(2)
export const count = (d: Dice): number =>
  d.chance(0.1) ? 0 : d.chance(0.7) ? d.between(1, 70) : d.between(1, 9000)
export const small = (d: Dice): number => (d.chance(0.05) ? 0 : d.between(1, 40))
export const flag = (d: Dice): number => d.int(2)
export const blocks = (n: number, block: number): number => (block > 0 ? Math.ceil(n / block) : 0)

export function row<K extends string>(
  sizes: (dice: Dice) => { readonly [P in K]: number },
  args: (s: { readonly [P in K]: number }) => readonly Argument[],
): NativeRow {
  return { sizes, args: (given: Sizes) => args(given as { readonly [P in K]: number }) }
}

/** y, x… of one dtype and n elements. */
export const flat = (
  pointers: number,
  extra: (s: Sizes) => readonly number[],
  sizes: (d: Dice) => Sizes = () => ({}),
): NativeRow => ({
  sizes: (d) => ({ n: count(d), dtype: compute(d), ...sizes(d) }),
  args: (s) => [
    ...Array.from({ length: pointers }, () => of(s.dtype, s.n)),
    s.n,
    ...extra(s),
    s.dtype,
    STREAM,
  ],
})

/** What a pointer must have around it for a walk over dims; strides may be negative. */
export function walked(dtype: number, dims: readonly number[], column: 1 | 2): BufferArgument {
  let [below, above] = [0, 0]
  for (let d = 0; d < dims.length; d += 3) {
    if (dims[d] === 0) return of(dtype, 0)
    const far = (dims[d] - 1) * dims[d + column]
    if (far < 0) below -= far
    else above += far
  }
  const before = below * dtypeBytes(dtype)
  return { ...of(dtype, below + above + 1), before }
}

export const dimsOf = ({ n0, n1, a0, a1, b0, b1, ndim }: Sizes): number[] =>
  [n0, a0, b0, n1, a1, b1].slice(0, 3 * Math.max(0, ndim))

export const elementsOf = (dims: readonly number[]): number =>
  dims.reduce((n, size, i) => (i % 3 === 0 ? n * size : n), 1)

export function dimSizes(d: Dice): Sizes {
  const [n0, n1] = [small(d), small(d)]
  return { n0, n1, a0: n1, a1: 1, b0: d.pick([0, 1, n1]), b1: d.pick([0, 1, n0]), ndim: 2, dtype: compute(d) }
}

export const host = (values: readonly number[]): HostArgument => ({ host: 'i64', values })

export const normSizes = (d: Dice): { rows: number; cols: number; dtype: number; has: number } => ({
  rows: small(d),
  cols: d.between(1, 300),
  dtype: compute(d),
  has: flag(d),
})

export const linearSizes = (
  d: Dice,
): { rows: number; in: number; out: number; rank: number; dtype: number; p: number } => ({
  rows: small(d),
  in: d.between(1, 90),
  out: d.between(1, 90),
  rank: d.pick([0, 0, 3, 8]),
  dtype: compute(d),
  p: d.pick([0, 0, 0.25]),
})

export const KINDS = 4

export function weight({ out, in: cols, kind, block, nested }: Sizes): HostArgument {
  const n = out * cols
  const scales = kind < 2 ? blocks(n, block) : kind === 2 ? out : ternaryScales(out, cols, block)
  const data = kind < 2 ? Math.ceil(n / 2) : kind === 2 ? n : Math.floor(out / 4) * cols
  const isNested = nested === 1 && kind < 2
  return {
    host: 'i64',
    values: [
      kind,
      bytes(data),
      isNested ? bytes(scales) : floats(scales),
      isNested ? floats(blocks(scales, 256)) : 0,
      block,
      0,
      0,
      0,
    ],
  }
}

export const packedSizes = (d: Dice): Sizes => {
  const kind = d.int(KINDS)
  const nested = flag(d)
  if (kind === 3) return { kind, nested, out: 4 * d.between(1, 20), ...ternaryColumns(d) }
  return { kind, block: d.pick([64, 128, 4096]), nested, out: d.between(1, 60), in: d.between(1, 90) }
}

/** Columns of a ternary weight, and how many of them share a scale. */
export function ternaryColumns(d: Dice): { in: number; block: number } {
  const block = 64 * d.between(1, 3)
  if (d.chance(0.4)) return { in: block * d.between(1, 4), block }
  const columns = d.between(1, 300)
  return { in: columns, block: d.pick([0, columns]) }
}

export const ternaryScales = (rows: number, columns: number, block: number): number =>
  block > 0 ? Math.ceil((rows * columns) / block) : 1

export const attentionSizes = (d: Dice): Sizes => {
  const kv = d.between(1, 2)
  return {
    documents: d.between(1, 3),
    tq: small(d),
    tk: small(d),
    heads: kv * d.between(1, 3),
    kv,
    dim: d.pick([1, 8, 33, 64, 256]),
    causal: flag(d),
    window: d.pick([0, 0, 3]),
    dtype: compute(d),
  }
}

export const attentionTail = (s: Sizes): number[] => [
  s.documents,
  s.tq,
  s.tk,
  s.heads,
  s.kv,
  s.dim,
  0.3,
  s.causal,
  s.window,
  0,
  s.dtype,
  STREAM,
]

export const rates = [0.01, 0.9, 0.99, 1e-8, 0.1, 0.1, 0.01, 1] as const

export function planes(dims: number): number {
  return 8 * Math.ceil(dims / 32)
}
