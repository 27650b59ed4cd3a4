/**
 * Matrices of trits with a scale for each row, under the names of tritter-accel: made of numbers, packed four to a byte, multiplied by.
 *
 * Bytes: each row begins with one of its own; 01 is +1, 10 is −1, 00 is 0, the first trit in the lowest bits (`two_bit` of plugins/ternary).
 */
import { linear, type Shape, tensor, TrituneError } from '../../core/mod.ts'
import { ternarize } from '../bitnet/mod.ts'
import { tritCodecs } from '../ternary/mod.ts'
import { expectMatrix, type FloatArray, type Floats, floatsOf, withTensor } from './float-array.ts'

/** A matrix (rows, cols) as trits, and what each row is to be multiplied by. */
export interface TernaryWeights {
  readonly trits: Int8Array
  readonly scales: Float32Array
  readonly shape: Shape
}

/** Rows that the packing of plugins/bitnet has in a byte. */
const ROWS_PER_BYTE = 4

/**
 * AbsMean by rows: scale = max(mean |w|, 1e-5), trit = clip(round(w / scale), −1, 1), halves to even. Throws E_SHAPE unless it is a matrix.
 *
 * @example
 * ```ts
 * import { packTernaryWeights, quantizeWeightsAbsmean, unpackTernaryWeights } from 'tritune/plugins/accel'
 *
 * const { trits, scales, shape } = quantizeWeightsAbsmean({ data: Float32Array.of(2, -2, 0.1, -0.1, 4, 0), shape: [2, 3] })
 * const { packed } = packTernaryWeights(trits, scales, shape)
 * console.log([...packed]) // → [ 9, 4 ]
 * console.log([...unpackTernaryWeights(packed, scales, shape).data].map((w) => w.toFixed(2)).join(' ')) // → 1.37 -1.37 0.00 0.00 1.37 0.00
 * ```
 */
export function quantizeWeightsAbsmean(weights: Floats): TernaryWeights {
  const { data, shape } = floatsOf('weights', weights)
  const [rows, cols] = expectMatrix('weights', shape)
  if (data.length !== rows * cols)
    throw new TrituneError('E_SHAPE', `${data.length} weights do not fill (${rows}, ${cols})`)
  // Rows of zeros make the number of rows one that the packing has.
  const padded = Math.ceil(rows / ROWS_PER_BYTE) * ROWS_PER_BYTE
  const values = new Float32Array(padded * cols)
  values.set(data)
  const { packed, scales } = ternarize(values, [padded, cols], { scale: 'absmean', block: cols })
  const { trits } = tritCodecs.hf_rows.decode(packed, { rows: padded, cols })
  return { trits: trits.slice(0, rows * cols), scales: scales.slice(0, rows), shape: [rows, cols] }
}

/** Trits → bytes, with the scales as they are. Throws E_VALUE for an entry that is no trit, E_SHAPE for scales that are not one a row. */
export function packTernaryWeights(
  trits: ArrayLike<number>,
  scales: Float32Array,
  shape: Shape,
): { readonly packed: Uint8Array; readonly scales: Float32Array } {
  const [rows, cols] = expectScales(scales, shape)
  return { packed: tritCodecs.two_bit.encode(trits, { rows, cols }), scales }
}

/** Bytes → scale · trit. Throws E_FORMAT, naming the byte, for 11, which is no trit; E_SHAPE for too few or too many bytes or scales. */
export function unpackTernaryWeights(packed: Uint8Array, scales: Float32Array, shape: Shape): FloatArray {
  const [rows, cols] = expectScales(scales, shape)
  const { trits } = tritCodecs.two_bit.decode(packed, { rows, cols })
  const data = Float32Array.from(trits, (trit, i) => (trit === 0 ? 0 : trit * scales[Math.floor(i / cols)]))
  return { data, shape: [rows, cols] }
}

/**
 * x (…, cols) by packed weights (rows, cols) → (…, rows), in f32: x is not rounded, and the weights are unpacked for the call. For products with packed
 * weights there is `bitlinearForward`. Throws what `unpackTernaryWeights` throws, and E_SHAPE for an x of other columns.
 *
 * @example
 * ```ts
 * import { ternaryMatmul } from 'tritune/plugins/accel'
 *
 * const x = { data: Float32Array.of(1, 2, 3), shape: [1, 3] }
 * const packed = Uint8Array.of(0b00_00_10_01, 0b00_01_00_01) // (1, −1, 0) and (1, 0, 1)
 * console.log([...ternaryMatmul(x, packed, Float32Array.of(1, 0.5), [2, 3]).data]) // → [ -1, 2 ]
 * ```
 */
export function ternaryMatmul<F extends Floats>(
  x: F,
  packed: Uint8Array,
  scales: Float32Array,
  shape: Shape,
): F {
  const weights = unpackTernaryWeights(packed, scales, shape)
  return withTensor(x, (there) =>
    linear(there, tensor(weights.data, { shape: weights.shape, device: there.device })),
  )
}

function expectScales(scales: Float32Array, shape: Shape): readonly [number, number] {
  const [rows, cols] = expectMatrix('weights', shape)
  if (scales.length === rows) return [rows, cols]
  throw new TrituneError('E_SHAPE', `${rows} rows have as many scales, got ${scales.length}`)
}
