/**
 * Inverses of small blocks on the host, in f64: to take a rotation out of weights again. Not for training.
 */
import { tensor, type Tensor, TrituneError } from '../../../core/mod.ts'

/** (n, b, b) → (n, b, b) by Gauss–Jordan with pivots. E_ADAPTER when one has no inverse. */
export function invertBlocks(blocks: Tensor): Tensor {
  const [count, size] = blocks.shape
  const values = blocks.toArray()
  const inverses = new Float32Array(values.length)
  for (let block = 0; block < count; block++) {
    const at = block * size * size
    inverses.set(inverseOf(Float64Array.from(values.subarray(at, at + size * size)), size), at)
  }
  return tensor(inverses, { shape: blocks.shape, device: blocks.device })
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Overwrites `a`. */
function inverseOf(a: Float64Array, n: number): Float64Array {
  const x = new Float64Array(n * n)
  for (let i = 0; i < n; i++) x[i * n + i] = 1
  for (let column = 0; column < n; column++) {
    let pivot = column
    for (let row = column + 1; row < n; row++)
      if (Math.abs(a[row * n + column]) > Math.abs(a[pivot * n + column])) pivot = row
    const value = a[pivot * n + column]
    if (!(Math.abs(value) > 1e-12))
      throw new TrituneError(
        'E_ADAPTER',
        'the rotation of a merged adapter cannot be taken back: it has no inverse',
        {
          remedy: 'load the base model again',
        },
      )
    for (const matrix of [a, x]) {
      swapRows(matrix, n, pivot, column)
      for (let j = 0; j < n; j++) matrix[column * n + j] /= value
    }
    for (let row = 0; row < n; row++) {
      const factor = a[row * n + column]
      if (row === column || factor === 0) continue
      for (const matrix of [a, x])
        for (let j = 0; j < n; j++) matrix[row * n + j] -= factor * matrix[column * n + j]
    }
  }
  return x
}

function swapRows(matrix: Float64Array, n: number, a: number, b: number): void {
  if (a === b) return
  const row = matrix.slice(a * n, (a + 1) * n)
  matrix.copyWithin(a * n, b * n, (b + 1) * n)
  matrix.set(row, b * n)
}
