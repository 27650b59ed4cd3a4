/**
 * Matrices of trits with a scale for each row, under the names of tritter-accel: made of numbers, packed four to a byte, multiplied by.
 *
 * Bytes: each row begins with one of its own; 01 is +1, 10 is −1, 00 is 0, the first trit in the lowest bits (`two_bit` of plugins/ternary).
 */
import { linear, type Shape, tensor, TrituneError } from '../../core/mod.ts'
import { tritCodecs } from '../ternary/mod.ts'
import { expectMatrix, type FloatArray, type Floats, withTensor } from './float-array.ts'

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
