/**
 * The fast Walsh–Hadamard transform, orthonormal: O(n log n), its own inverse (Fino & Algazi 1976).
 *
 * Three stages at a time, so that numbers are loaded and stored once for three sums: the same sums as one stage after the other has.
 */

/** x·H/√n in place; x has a power of two of elements. */
export function hadamard(x: Float64Array): void {
  const n = x.length
  let half = 1
  for (; 8 * half <= n; half *= 8) threeStages(x, half)
  if (4 * half === n) twoStages(x, half)
  else if (2 * half === n) stage(x, half)
  const norm = 1 / Math.sqrt(n)
  for (let i = 0; i < n; i++) x[i] *= norm
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** The last one. */
function stage(x: Float64Array, half: number): void {
  for (let i = 0; i < half; i++) {
    const a = x[i]
    const b = x[i + half]
    x[i] = a + b
    x[i + half] = a - b
  }
}

/** The last two. */
function twoStages(x: Float64Array, half: number): void {
  for (let i = 0; i < half; i++) {
    const i1 = i + half
    const i2 = i1 + half
    const i3 = i2 + half
    const a0 = x[i] + x[i1]
    const a1 = x[i] - x[i1]
    const a2 = x[i2] + x[i3]
    const a3 = x[i2] - x[i3]
    x[i] = a0 + a2
    x[i1] = a1 + a3
    x[i2] = a0 - a2
    x[i3] = a1 - a3
  }
}

/** Those of `half`, 2 · `half` and 4 · `half`. */
function threeStages(x: Float64Array, half: number): void {
  for (let start = 0; start < x.length; start += 8 * half) {
    for (let i = start; i < start + half; i++) {
      const i1 = i + half
      const i2 = i1 + half
      const i3 = i2 + half
      const i4 = i3 + half
      const i5 = i4 + half
      const i6 = i5 + half
      const i7 = i6 + half
      const a0 = x[i] + x[i1]
      const a1 = x[i] - x[i1]
      const a2 = x[i2] + x[i3]
      const a3 = x[i2] - x[i3]
      const a4 = x[i4] + x[i5]
      const a5 = x[i4] - x[i5]
      const a6 = x[i6] + x[i7]
      const a7 = x[i6] - x[i7]
      const b0 = a0 + a2
      const b1 = a1 + a3
      const b2 = a0 - a2
      const b3 = a1 - a3
      const b4 = a4 + a6
      const b5 = a5 + a7
      const b6 = a4 - a6
      const b7 = a5 - a7
      x[i] = b0 + b4
      x[i1] = b1 + b5
      x[i2] = b2 + b6
      x[i3] = b3 + b7
      x[i4] = b0 - b4
      x[i5] = b1 - b5
      x[i6] = b2 - b6
      x[i7] = b3 - b7
    }
  }
}
