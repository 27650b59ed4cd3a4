/**
 * A BitLinear layer for inference, under the names of tritter-accel: core's ops pack the weight by AbsMean and multiply by it, as plugins/bitnet does.
 */
import {
  linearQuantized,
  quantizeTernary,
  type QuantizedWeight,
  tensor,
  Tensor,
  tensorScope,
  TrituneError,
} from '../../core/mod.ts'
import { tritCodecs } from '../ternary/mod.ts'
import { expectMatrix, type Floats, floatsOf, withTensor } from './float-array.ts'

/** A packed layer. It owns its memory: dispose it. */
export interface BitlinearLayer extends Disposable {
  /** (out, in) in trits. */
  readonly weight: QuantizedWeight
  /** (out) f32. */
  readonly bias: Tensor | null
}

/** Options of `createBitlinear()`. */
export interface BitlinearOptions {
  /** (out) */
  readonly bias?: Float32Array | Tensor
  /** Columns that share a scale, a multiple of 64 that divides in; 0: one scale a row. Default: 64. */
  readonly groupSize?: number
}

/**
 * A layer of weights (out, in), rounded by AbsMean, on the device of the weight or the default one. Throws E_SHAPE when out is no multiple of 4,
 * when groups do not divide in, or for a bias of another length.
 *
 * @example
 * ```ts
 * import { bitlinearForward, bitlinearSparsity, createBitlinear } from 'tritune/plugins/accel'
 *
 * const weight = { data: Float32Array.from({ length: 4 * 64 }, (_, i) => (i % 2 === 0 ? 1 : 0)), shape: [4, 64] }
 * using layer = createBitlinear(weight)
 * const y = bitlinearForward(layer, { data: new Float32Array(64).fill(1), shape: [1, 64] })
 * console.log(y.shape, y.data[0].toFixed(2), bitlinearSparsity(layer)) // → [ 1, 4 ] 16.00 0.5
 * ```
 */
export function createBitlinear(
  weight: Floats,
  { bias, groupSize = 64 }: BitlinearOptions = {},
): BitlinearLayer {
  const [out, columns] = expectMatrix('weight', weight.shape)
  if (groupSize !== 0 && columns % groupSize !== 0)
    throw new TrituneError('E_SHAPE', `groups of ${String(groupSize)} columns do not divide ${columns}`, {
      remedy: 'groupSize: 0 takes one scale a row',
    })
  if (bias && (bias instanceof Tensor ? bias.size : bias.length) !== out)
    throw new TrituneError('E_SHAPE', `a bias for ${out} rows has as many numbers`)
  using scope = tensorScope()
  const there =
    weight instanceof Tensor ? weight : tensor(floatsOf('weight', weight).data, { shape: weight.shape })
  const packed = quantizeTernary(there, { block: groupSize === 0 ? columns : groupSize })
  const added = bias ? tensor(bias instanceof Tensor ? bias.toArray() : bias, { device: there.device }) : null
  scope.keep([packed.parts.data, packed.parts.scale, ...(added ? [added] : [])])
  return {
    weight: packed,
    bias: added,
    [Symbol.dispose]() {
      packed[Symbol.dispose]()
      added?.dispose()
    },
  }
}

/** x (…, in) f32 → (…, out): the rows of x as int8, the integer product with the trits. Throws E_SHAPE for an x of other columns. */
export function bitlinearForward<F extends Floats>({ weight, bias }: BitlinearLayer, x: F): F {
  return withTensor(x, (there) => linearQuantized(there, weight, bias ? { bias } : {}))
}

/** Bytes of the weight in f32 by its bytes here, scales counted. */
export function bitlinearCompressionRatio({ weight: { shape, bytes } }: BitlinearLayer): number {
  return (4 * shape[0] * shape[1]) / bytes
}

/** The share of weights that are 0. */
export function bitlinearSparsity({ weight: { shape, parts } }: BitlinearLayer): number {
  const [rows, cols] = shape
  const { trits } = tritCodecs.hf_rows.decode(Uint8Array.from(parts.data.toArray()), { rows, cols })
  return trits.filter((trit) => trit === 0).length / trits.length
}

/** Columns of the weight. */
export function bitlinearInFeatures({ weight }: BitlinearLayer): number {
  return weight.shape[1]
}

/** Rows of the weight. */
export function bitlinearOutFeatures({ weight }: BitlinearLayer): number {
  return weight.shape[0]
}
