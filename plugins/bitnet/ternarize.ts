/**
 * Trits and scales of a weight, on numbers in memory: the definition of what the quantizers of quantizers.ts make, for every statistic and
 * every span of a scale. Packed as transformers' BitNet checkpoints are: byte (i, k) holds w[i + p·out/4, k] + 1 in bits 2p and 2p + 1.
 */
import { formatShape, type Shape, TrituneError } from '../../core/mod.ts'

const { fround } = Math

/** What a scale is of the weights that share it: the mean magnitude (BitNet b1.58), or the largest. */
export type TritScale = 'absmean' | 'absmax'

/** Smallest scale, as in BitNet: a weight of zeros stays one. */
export const SMALLEST_SCALE: number = fround(1e-5)

/** How `ternarize()` rounds. */
export interface TernarizeOptions {
  readonly scale: TritScale
  /** Columns of a row that share a scale, a divisor of in; 0: the whole matrix has one. */
  readonly block: number
}

/** Packed trits and their scales. */
export interface Ternarized {
  /** (out/4, in) */
  readonly packed: Uint8Array<ArrayBuffer>
  /** (1), or (out · in/block) row by row. */
  readonly scales: Float32Array<ArrayBuffer>
}

/**
 * values (out·in) → trits. A scale of NaN or Inf makes trits of 0 and keeps its value, so that products show it.
 *
 * @throws E_SHAPE unless out is a multiple of 4 and `block` divides in
 * @example
 * ```ts
 * import { ternarize } from 'tritune/plugins/bitnet'
 *
 * const values = Float32Array.of(1, -1, 0.1, 3)
 * const { packed, scales } = ternarize(values, [4, 1], { scale: 'absmax', block: 0 })
 * console.log(scales[0], packed[0].toString(2)) // → 3 10010101
 * ```
 */
export function ternarize(
  values: Float32Array,
  shape: Shape,
  { scale, block }: TernarizeOptions,
): Ternarized {
  const [rows, cols] = shape
  if (rows % 4 !== 0 || rows * cols !== values.length || values.length === 0)
    throw new TrituneError(
      'E_SHAPE',
      `ternary needs a multiple of 4 rows and no size of 0, got ${formatShape(shape)}`,
    )
  if (block !== 0 && cols % block !== 0)
    throw new TrituneError('E_SHAPE', `groups of ${block} columns do not divide ${cols}`)
  const span = block === 0 ? values.length : block
  const scales = Float32Array.from({ length: values.length / span }, (_, i) =>
    scaleOf(values.subarray(i * span, (i + 1) * span), scale),
  )
  const quarter = values.length / 4
  const packed = new Uint8Array(quarter)
  for (let i = 0; i < values.length; i++) {
    const ratio = fround(values[i] / scales[Math.floor(i / span)])
    const trit = Number(ratio > 0.5) - Number(ratio < -0.5)
    packed[i % quarter] |= (trit + 1) << (2 * Math.floor(i / quarter))
  }
  return { packed, scales }
}

function scaleOf(values: Float32Array, kind: TritScale): number {
  let sum = 0
  let most = 0
  for (const value of values) {
    const size = Math.abs(value)
    sum += size
    most = Math.max(most, size)
  }
  return Math.max(fround(kind === 'absmean' ? sum / values.length : most), SMALLEST_SCALE)
}
