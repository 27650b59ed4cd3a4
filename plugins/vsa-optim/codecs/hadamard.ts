/**
 * The fast Walsh–Hadamard transform, orthonormal: O(n log n), its own inverse (Fino & Algazi 1976).
 */

/** x·H/√n in place; x has a power of two of elements. */
export function hadamard(x: Float64Array): void {
  const n = x.length
  for (let half = 1; half < n; half *= 2) {
    for (let start = 0; start < n; start += 2 * half) {
      for (let i = start; i < start + half; i++) {
        const a = x[i]
        const b = x[i + half]
        x[i] = a + b
        x[i + half] = a - b
      }
    }
  }
  const norm = 1 / Math.sqrt(n)
  for (let i = 0; i < n; i++) x[i] *= norm
}
