/**
 * Inverses of small square matrices, in f64 on the host: for taking a change out of a weight again.
 */
import { type Tensor, tensor, TrituneError } from '../../../core/mod.ts'

/** (count, n, n) f32 → the inverse of each, or of I plus each. E_ADAPTER when one has none. */
export function invert(x: Tensor, { plusIdentity }: { readonly plusIdentity: boolean }): Tensor {
  const [count, n] = x.shape
  const values = Float64Array.from(x.toArray())
  const inverses = new Float32Array(values.length)
  for (let i = 0; i < count; i++) {
    const one = values.subarray(i * n * n, (i + 1) * n * n)
    if (plusIdentity) for (let j = 0; j < n; j++) one[j * n + j] += 1
    inverses.set(inverse(one, n), i * n * n)
  }
  return tensor(inverses, { shape: x.shape, device: x.device })
}

/** Gauss–Jordan with the largest pivot of each column. */
function inverse(matrix: Float64Array, n: number): Float64Array {
  const left = Float64Array.from(matrix)
  const right = new Float64Array(n * n)
  for (let i = 0; i < n; i++) right[i * n + i] = 1
  for (let column = 0; column < n; column++) {
    let best = column
    for (let row = column + 1; row < n; row++)
      if (Math.abs(left[row * n + column]) > Math.abs(left[best * n + column])) best = row
    const pivot = left[best * n + column]
    if (!(Math.abs(pivot) > 1e-12))
      throw new TrituneError('E_ADAPTER', 'a change cannot be undone: a matrix of it has no inverse')
    for (const side of [left, right]) {
      for (let j = 0; j < n; j++) {
        const upper = side[best * n + j]
        side[best * n + j] = side[column * n + j]
        side[column * n + j] = upper / pivot
      }
    }
    for (let row = 0; row < n; row++) {
      const factor = left[row * n + column]
      if (row === column || factor === 0) continue
      for (const side of [left, right])
        for (let j = 0; j < n; j++) side[row * n + j] -= factor * side[column * n + j]
    }
  }
  return right
}
