/**
 * Guarded buffers, seeded random values and f64 reference products for the tests of the native kernels.
 *
 * A guarded buffer lies between margins of NaN (inputs: a value read out of bounds poisons the result) that must be
 * unchanged afterwards (outputs: nothing was written out of bounds).
 */
import { bf16ToNumber, numberToBf16 } from '../../core/tensor/dtype.ts'
import { BF16, F32 } from './_library.ts'

const MARGIN = 96
const NAN_BITS = 0x7fc0

/** Numbers in [-1, 1), the same for the same seed. */
export function randomNumbers(length: number, seed: number): Float64Array {
  const out = new Float64Array(length)
  let state = (seed * 2654435761 + 12345) >>> 0
  for (let i = 0; i < length; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    out[i] = Math.fround((state >>> 0) / 2 ** 31 - 1)
  }
  return out
}

export interface Guarded {
  readonly dtype: number
  readonly length: number
  /** The bits; pass this to the native function. */
  readonly view: Float32Array | Uint16Array
  /** The values that are stored. */
  values(): Float64Array
  /** Whether the margins are as they were. */
  intact(): boolean
}

/** A buffer of `values` rounded to the dtype, inside NaN margins. */
export function guarded(values: Float64Array | readonly number[], dtype: number = F32): Guarded {
  const { length } = values
  const store = dtype === BF16 ? new Uint16Array(length + 2 * MARGIN) : new Float32Array(length + 2 * MARGIN)
  store.fill(dtype === BF16 ? NAN_BITS : Number.NaN)
  const view = store.subarray(MARGIN, MARGIN + length)
  for (let i = 0; i < length; i++) view[i] = dtype === BF16 ? numberToBf16(values[i]) : values[i]
  const decode = (bits: number): number => (dtype === BF16 ? bf16ToNumber(bits) : bits)
  const margins = (): number[] => [...store.subarray(0, MARGIN), ...store.subarray(MARGIN + length)]
  return {
    dtype,
    length,
    view,
    values: () => Float64Array.from(view, decode),
    intact: () => margins().every((bits) => (dtype === BF16 ? bits === NAN_BITS : Number.isNaN(bits))),
  }
}

/** A seeded random input of the dtype. */
export function randomInput(length: number, seed: number, dtype: number = F32): Guarded {
  return guarded(randomNumbers(length, seed), dtype)
}

export interface Product {
  /** op(a)·op(b) */
  readonly sum: Float64Array
  /** Σ |a·b| of each element: what rounding errors are relative to. */
  readonly magnitude: Float64Array
}

/** f64 product of op(a) (m,k) and op(b) (k,n); a is stored (k,m) when transA, b (n,k) when transB. */
export function referenceProduct(
  a: Float64Array,
  b: Float64Array,
  [m, n, k]: readonly [number, number, number],
  transA = false,
  transB = false,
): Product {
  const sum = new Float64Array(m * n)
  const magnitude = new Float64Array(m * n)
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let s = 0
      let t = 0
      for (let p = 0; p < k; p++) {
        const x = (transA ? a[p * m + i] : a[i * k + p]) * (transB ? b[j * k + p] : b[p * n + j])
        s += x
        t += Math.abs(x)
      }
      sum[i * n + j] = s
      magnitude[i * n + j] = t
    }
  }
  return { sum, magnitude }
}

/** Largest |got − want| / (scale + tiny); NaN anywhere gives Infinity. */
export function worstError(got: Float64Array, want: Float64Array, scale: Float64Array): number {
  let worst = 0
  for (let i = 0; i < want.length; i++) {
    const error = Math.abs(got[i] - want[i]) / (scale[i] + 1e-6)
    if (!(error <= worst)) worst = Number.isNaN(error) ? Infinity : error
  }
  return worst
}
