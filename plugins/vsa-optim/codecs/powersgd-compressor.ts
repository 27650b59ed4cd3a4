/**
 * A matrix as two thin ones (PowerSGD, Vogels et al. 2019, arXiv 1905.13727): M ≈ P·Qᵀ, P orthonormal, both bf16.
 *
 * The paper starts each round from the last one's factors. Here two rounds of subspace iteration start from hashed vectors, so that nothing is
 * held: a run that resumes needs no factors, and every message stands alone.
 */
import { expectInteger } from '../../../core/tensor/expect.ts'
import {
  bf16ToNumber,
  createRandom,
  matrix,
  type Matrix,
  numberToBf16,
  roughSingular,
  type Shape,
  TrituneError,
} from '../../../core/mod.ts'
import { compressorOf, type GradientCompressor } from './compressor.ts'
import { scratchNumbers } from './scratch.ts'
import { thinMap } from './thin-map.ts'

/** What `powersgdCompressor` can be told. */
export interface PowersgdCompressorOptions {
  /** Columns of the factors; default 2. */
  readonly rank?: number
  /** Integer from 0 to 2⁵³ − 1; default 0. */
  readonly seed?: number
}

/**
 * For matrices of one shape. Throws E_VALUE where the smaller side is not above 4 · rank: factors of adapters have their rank already.
 *
 * @example
 * ```ts
 * import { powersgdCompressor } from 'tritune/plugins/vsa-optim'
 *
 * const compressor = powersgdCompressor([8, 10], { rank: 1 })
 * const ranks = Float32Array.from({ length: 80 }, (_, i) => (1 + Math.floor(i / 10)) * (i % 10)) // of rank 1
 * const message = compressor.compress(ranks)
 * console.log(message.bytes, Math.round(compressor.decompress(message)[79])) // → 36 72
 * ```
 */
export function powersgdCompressor(
  shape: Shape,
  { rank = 2, seed = 0 }: PowersgdCompressorOptions = {},
): GradientCompressor {
  expectInteger('powersgd', 'rank', rank, { min: 1 })
  expectInteger('powersgd', 'seed', seed, { max: Number.MAX_SAFE_INTEGER })
  const [rows, columns] = shape
  if (shape.length !== 2 || Math.min(rows, columns) <= 4 * rank)
    throw new TrituneError(
      'E_VALUE',
      `powersgd: rank ${rank} is for matrices with more than ${4 * rank} rows and columns, got (${shape.join(', ')})`,
      { remedy: 'a smaller rank, or another codec' },
    )
  const split = 2 * rows * rank
  return compressorOf({
    settings: { codec: 'powersgd', seed, block: 1, ratio: 1, rank },
    bytesOf(length) {
      if (length !== rows * columns)
        throw new TrituneError(
          'E_SHAPE',
          `powersgd: (${rows}, ${columns}) has ${rows * columns} numbers, got ${length}`,
        )
      return split + 2 * columns * rank
    },
    encode(gradient, into, round) {
      let most = 0
      for (let i = 0; i < gradient.length; i++) most = Math.max(most, Math.abs(gradient[i]))
      if (most === 0) return
      // Without it squares of small numbers vanish, and those of large ones overflow.
      const scaled = matrix(rows, columns)
      for (let i = 0; i < gradient.length; i++) scaled.data[i] = gradient[i] / most
      const map = thinMap(scaled)
      const { u, s, v } = roughSingular(map, rank, 2, createRandom(seed, `powersgd ${round}`))
      writeBf16(into.subarray(0, split), u, () => 1)
      writeBf16(into.subarray(split), v, (column) => s[column] * most)
    },
    decode(from, into) {
      const p = readBf16(from.subarray(0, split), rows, rank)
      const q = readBf16(from.subarray(split), columns, rank)
      const across = new Float64Array(rank * columns)
      for (let j = 0; j < columns; j++)
        for (let k = 0; k < rank; k++) across[k * columns + j] = q.data[j * rank + k]
      const row = scratchNumbers(columns)
      for (let i = 0; i < rows; i++) {
        row.fill(0)
        for (let k = 0; k < rank; k++) addTimes(row, p.data[i * rank + k], across, k * columns)
        into.set(row, i * columns)
      }
      return false
    },
  })
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** row ← row + factor · x[from …] */
function addTimes(row: Float64Array, factor: number, x: Float64Array, from: number): void {
  for (let j = 0; j < row.length; j++) row[j] += factor * x[from + j]
}

function writeBf16(into: Uint8Array, { columns, data }: Matrix, scale: (column: number) => number): void {
  for (let i = 0; i < data.length; i++) {
    const bits = numberToBf16(data[i] * scale(i % columns))
    into[2 * i] = bits & 0xff
    into[2 * i + 1] = bits >> 8
  }
}

function readBf16(from: Uint8Array, rows: number, columns: number): Matrix {
  const result = matrix(rows, columns)
  for (let i = 0; i < result.data.length; i++)
    result.data[i] = bf16ToNumber(from[2 * i] | (from[2 * i + 1] << 8))
  return result
}
