/**
 * Tensors to trit vectors: the sign of what is larger than a threshold, in bit planes, with one scale a row (Ternary Weight Networks,
 * Li, Zhang, Liu 2016, arXiv 1605.04711). The threshold is a share of the row's mean |x|; the scale is the mean |x| of what is kept.
 * Numbers are computed on the host, so every device has the same bits. No op multiplies by this form: what packs a model with it
 * computes with the dequantized weights.
 */
import {
  decimal,
  defineOptions,
  type Dequantize,
  optional,
  type Quantize,
  type QuantizedTensor,
  type QuantizerDefinition,
  type Shape,
  tensor,
  type Tensor,
  TrituneError,
} from '../../core/mod.ts'
import { planesTensor, wordsOfTensor } from './vectors/plane-tensor.ts'
import { wordsOf } from './vectors/planes.ts'

const { fround } = Math

/** Options of the quantizer `trit_planes`. */
export interface TritQuantizerOptions {
  /** What is at most this share of the row's mean |x| becomes 0. */
  readonly threshold: number
}

/** Rows as bit planes with a scale each; owns its tensors. */
export interface TritPlanesTensor extends QuantizedTensor {
  readonly kind: 'trit_planes'
  /** i32 (rows, 2, words) */
  readonly planes: Tensor
  /** f32 (rows) */
  readonly scale: Tensor
}

/** The threshold that Li, Zhang, Liu derive for weights that are normal or uniform. */
const THRESHOLD = 0.7

/** The quantizer `trit_planes`. Use `tritQuantizer()`. */
export const tritPlanes: QuantizerDefinition<TritQuantizerOptions> = {
  name: 'trit_planes',
  options: defineOptions<TritQuantizerOptions>({ threshold: optional(decimal({ min: 0 }), THRESHOLD) }),
  create(options) {
    const { quantize, dequantize } = tritQuantizer(options)
    return {
      quantize,
      dequantize(packed, dtype) {
        if (isTritPlanes(packed)) return dequantize(packed, dtype)
        throw new TrituneError('E_DTYPE', `"${packed.kind}" is not a packed form of this quantizer`)
      },
    }
  },
}

/**
 * Packs tensors (rows, cols), or (cols) as one row, of f32 or bf16 as trits, and back to scale · trit.
 *
 * @throws E_DTYPE for other tensors, E_SHAPE for other ranks and for empty ones, E_NAN for numbers that are not finite
 * @example
 * ```ts
 * import { tensor } from 'tritune/core'
 * import { tritQuantizer } from 'tritune/plugins/ternary'
 *
 * using x = tensor([2, -0.1, 0.2, -4])
 * const quantizer = tritQuantizer({ threshold: 0.7 })
 * using packed = quantizer.quantize(x)
 * using again = quantizer.dequantize(packed)
 * console.log([...again.toArray()]) // → [ 3, 0, 0, -3 ]
 * ```
 */
export function tritQuantizer({
  threshold = THRESHOLD,
}: Partial<TritQuantizerOptions> = {}): Quantize<TritPlanesTensor> & Dequantize<TritPlanesTensor> {
  return {
    quantize(x) {
      const { rows, cols } = sizesOf(x)
      const values = x.toArray()
      const [planes, scales] = [new Uint32Array(rows * 2 * wordsOf(cols)), new Float32Array(rows)]
      for (let row = 0; row < rows; row++) scales[row] = packRow(values, { row, cols, threshold }, planes)
      return tritPlanesTensor(
        x.shape,
        planesTensor(planes, cols, x.device),
        tensor(scales, { device: x.device }),
      )
    },
    dequantize({ shape, planes, scale }, dtype = 'f32') {
      const cols = shape[shape.length - 1]
      const [bits, scales] = [wordsOfTensor(planes), scale.toArray()]
      const values = new Float32Array(scales.length * cols)
      for (let i = 0; i < values.length; i++) {
        const row = Math.floor(i / cols)
        values[i] = scales[row] * tritAt(bits, row, i % cols, wordsOf(cols))
      }
      return tensor(values, { shape, dtype, device: planes.device })
    },
  }
}

function isTritPlanes(packed: QuantizedTensor): packed is TritPlanesTensor {
  return packed.kind === 'trit_planes' && 'planes' in packed
}

function sizesOf(x: Tensor): { readonly rows: number; readonly cols: number } {
  if (x.dtype !== 'f32' && x.dtype !== 'bf16')
    throw new TrituneError('E_DTYPE', `trit_planes: x is ${x.dtype}, must be f32 or bf16`)
  const [rows, cols] = x.shape.length === 1 ? [1, x.shape[0]] : x.shape
  if (x.shape.length > 2 || x.shape.length === 0 || x.size === 0)
    throw new TrituneError(
      'E_SHAPE',
      `trit_planes: (rows, cols) or (cols), none of them 0, got [${x.shape.join(', ')}]`,
    )
  return { rows, cols }
}

/** Writes the planes of a row; returns its scale. */
function packRow(
  values: Float32Array,
  { row, cols, threshold }: { readonly row: number; readonly cols: number; readonly threshold: number },
  planes: Uint32Array,
): number {
  let sum = 0
  for (let i = row * cols; i < (row + 1) * cols; i++) sum += Math.abs(values[i])
  if (!Number.isFinite(sum))
    throw new TrituneError('E_NAN', `trit_planes: row ${row} has numbers that are not finite`, {
      remedy: 'the weights are damaged, or their training diverged',
    })
  const limit = fround((threshold * sum) / cols)
  let [kept, count] = [0, 0]
  for (let col = 0; col < cols; col++) {
    const value = values[row * cols + col]
    if (Math.abs(value) <= limit) continue
    const word = (2 * row + Number(value < 0)) * wordsOf(cols) + (col >> 5)
    planes[word] |= 1 << (col & 31)
    kept += Math.abs(value)
    count++
  }
  return count === 0 ? 0 : fround(kept / count)
}

function tritAt(bits: Uint32Array, row: number, col: number, width: number): number {
  const at = 2 * row * width + (col >> 5)
  return ((bits[at] >>> (col & 31)) & 1) - ((bits[at + width] >>> (col & 31)) & 1)
}

function tritPlanesTensor(shape: Shape, planes: Tensor, scale: Tensor): TritPlanesTensor {
  return {
    kind: 'trit_planes',
    shape: [...shape],
    bytes: planes.bytes + scale.bytes,
    planes,
    scale,
    [Symbol.dispose]() {
      planes.dispose()
      scale.dispose()
    },
  }
}
