/**
 * Numbers for the tests of the native kernels: seeded inputs, bf16 arrays, comparison against f64 references, and the
 * loop over instruction sets and thread counts.
 */
import { expect } from 'bun:test'
import { run } from './_header.ts'
import { BF16, F32, reachableIsas } from './_library.ts'

export type Dtype = typeof F32 | typeof BF16
export type Stored = Float32Array | Uint16Array

const bits = new DataView(new ArrayBuffer(4))

/** bf16 of a number: rounded to f32, then to nearest even. */
export function toBf16(value: number): number {
  bits.setFloat32(0, value)
  const u = bits.getUint32(0)
  if (Number.isNaN(value)) return 0x7fc0
  return ((u + 0x7fff + ((u >>> 16) & 1)) >>> 16) & 0xffff
}

export function fromBf16(word: number): number {
  bits.setUint32(0, (word << 16) >>> 0)
  return bits.getFloat32(0)
}

/** Numbers as the kernels take them. */
export function pack(values: ArrayLike<number>, dtype: Dtype): Stored {
  return dtype === F32 ? Float32Array.from(values) : Uint16Array.from(values, toBf16)
}

/** Numbers as the kernels gave them. */
export function unpack(stored: Stored): Float64Array {
  return stored instanceof Float32Array ? Float64Array.from(stored) : Float64Array.from(stored, fromBf16)
}

/** An output buffer filled with NaN, so that an element nobody wrote is found. */
export function blank(n: number, dtype: Dtype): Stored {
  return dtype === F32 ? new Float32Array(n).fill(Number.NaN) : new Uint16Array(n).fill(0x7fc0)
}

/** Uniform numbers in 0..1 (mulberry32). */
export function uniform(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

/** n normal numbers, already representable in the dtype. */
export function normal(n: number, seed: number, dtype: Dtype = F32, scale = 1): Float64Array {
  const next = uniform(seed)
  const draw = (): number => scale * Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next())
  return unpack(pack(Float64Array.from({ length: n }, draw), dtype))
}

export interface Tolerance {
  /** Allowed |actual − expected| as a share of |expected|. */
  readonly rel: number
  /** Allowed on top of it. */
  readonly abs?: number
}

/** One rounding to the dtype, and `slack` relative f32 error before it. */
export function rounding(dtype: Dtype, slack = 1e-6, abs = 1e-6): Tolerance {
  return { rel: (dtype === F32 ? 0 : 2 ** -8) + slack, abs }
}

/** Every element within the tolerance; NaN and ±Inf must agree exactly. */
export function expectClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: Tolerance,
): void {
  expect(actual.length).toBe(expected.length)
  let worst = -1
  let excess = 0
  for (let i = 0; i < expected.length; i++) {
    const [a, e] = [actual[i] ?? 0, expected[i] ?? 0]
    if (Object.is(a, e) || a === e) continue
    const over = Math.abs(a - e) - tolerance.rel * Math.abs(e) - (tolerance.abs ?? 0)
    if (over <= excess) continue
    if (Number.isNaN(over) && Number.isNaN(a) && Number.isNaN(e)) continue
    worst = i
    excess = Number.isNaN(over) ? Number.POSITIVE_INFINITY : over
  }
  if (worst >= 0) throw new Error(`element ${worst}: got ${actual[worst]}, expected ${expected[worst]}`)
}

/** Runs the body for every instruction set this machine has, each with 1, 2 and 3 threads. */
export function onEveryMachine(body: (isa: number, threads: number) => void): void {
  try {
    for (const isa of reachableIsas()) {
      for (const threads of [1, 2, 3]) {
        run('tt_init', 0, threads, isa)
        body(isa, threads)
      }
    }
  } finally {
    run('tt_init', 0, 0, 0)
  }
}

export const DTYPES: readonly Dtype[] = [F32, BF16]

/** Central difference of a scalar function of an array, in f64. */
export function numericGradient(f: (x: Float64Array) => number, x: Float64Array, step = 1e-5): Float64Array {
  return x.map((value, i) => {
    const probe = x.slice()
    probe[i] = value + step
    const above = f(probe)
    probe[i] = value - step
    return (above - f(probe)) / (2 * step)
  })
}

/** Sum of products. */
export function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let total = 0
  for (let i = 0; i < a.length; i++) total += (a[i] ?? 0) * (b[i] ?? 0)
  return total
}
