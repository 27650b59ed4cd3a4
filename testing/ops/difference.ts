/**
 * How far the results of an op may be from those of the reference, and where they are further.
 */

/** Largest error, as a share of the largest number of the tensor, where a case says nothing else. */
export const TOLERANCE = { f32: 3e-5, bf16: 2e-2 } as const

/** The first element that is too far off, as text; null: none is. */
export function firstDifference(got: Float32Array, expected: Float32Array, tolerance: number): string | null {
  if (got.length !== expected.length) return `has ${got.length} elements, expected ${expected.length}`
  let scale = 0
  for (const value of expected) if (Number.isFinite(value)) scale = Math.max(scale, Math.abs(value))
  for (let i = 0; i < expected.length; i++) {
    const same = Object.is(got[i], expected[i]) || Math.abs(got[i] - expected[i]) <= tolerance * scale
    if (!same) return `[${i}]: got ${got[i]}, expected ${expected[i]} (largest ${scale})`
  }
  return null
}
