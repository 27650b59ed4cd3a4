/**
 * Many packed vectors in the memory of a device, and the algebra on all of them at once by the `vsa` ops: the same planes, one vector
 * after the other, as one tensor i32 (rows, 2, words). Results are as those of `packedTrits`, to the last bit.
 */
import {
  type Device,
  noGrad,
  tensor,
  tensorScope,
  type Tensor,
  TrituneError,
  vsaBind,
  vsaBundle,
  vsaPermute,
  vsaProduct,
  vsaSimilarity,
  vsaUnbind,
} from '../../../core/mod.ts'
import { expectShape } from '../../../core/tensor/shape.ts'
import { packedTrits } from './packed-trits.ts'
import { intsOfTensor, joinedWords, planesTensor, vectorAt, wordsOfTensor } from './plane-tensor.ts'
import { expectPlanes, wordsOf } from './planes.ts'
import {
  cosineOf,
  expectDims,
  expectShift,
  expectVectors,
  expectWeights,
  type PackedTritVec,
  type TritVec,
} from './trit-vec.ts'

/** Vectors on a device. Made under a `tensorScope()` it dies with the scope; made outside it is yours to dispose. */
export interface TritBatch extends Disposable {
  readonly dims: number
  readonly rows: number
  /** i32 (rows, 2, ⌈dims/32⌉) */
  readonly planes: Tensor
}

/** What a bundle of rows is told. */
export interface BundleRowsOptions {
  /** Rows of one bundle; default: all. */
  readonly count?: number
  /** One for each row; default: all 1. */
  readonly weights?: ArrayLike<number>
}

/** The algebra on batches. Of two, b has as many rows as a, or one for all; E_SHAPE where they do not fit. */
export interface TritBatchAlgebra {
  /** Copies vectors of one size to a device, the default one unless named. */
  of(vectors: readonly TritVec[], options?: { readonly device?: Device }): TritBatch
  /** Takes a tensor of planes as it is; its words are checked when they are read. E_SHAPE, E_DTYPE. */
  wrap(planes: Tensor, dims: number): TritBatch
  /** Copies the vectors back. */
  vectors(batch: TritBatch): PackedTritVec[]
  bind(a: TritBatch, b: TritBatch): TritBatch
  unbind(x: TritBatch, b: TritBatch): TritBatch
  product(a: TritBatch, b: TritBatch): TritBatch
  negate(a: TritBatch): TritBatch
  /** The sign of the sum of each `count` rows, ties 0. */
  bundle(a: TritBatch, options?: BundleRowsOptions): TritBatch
  permute(a: TritBatch, shift?: number): TritBatch
  /** (rows of a) × (rows of b) inner products. */
  dots(a: TritBatch, b: TritBatch): Int32Array
  /** (rows of a) × (rows of b) cosines. */
  cosines(a: TritBatch, b: TritBatch): Float64Array
  /** (rows of a) × (rows of b) numbers of dimensions that differ. */
  hamming(a: TritBatch, b: TritBatch): Int32Array
  /** Dimensions of each row that are not 0. */
  nonzeros(a: TritBatch): Int32Array
}

/**
 * The algebra on batches of vectors on a device.
 *
 * @example
 * ```ts
 * import { tensorScope, useDevice } from 'tritune/core'
 * import { openCpu } from 'tritune/plugins/cpu'
 * import { packedTrits, tritBatch } from 'tritune/plugins/ternary'
 *
 * using _device = useDevice(openCpu())
 * using _scope = tensorScope()
 * const vectors = Array.from({ length: 100 }, (_, i) => packedTrits.random({ dims: 10_000, seed: i }))
 * const key = tritBatch.of([packedTrits.random({ dims: 10_000, seed: 999 })])
 * const bound = tritBatch.bind(tritBatch.of(vectors), key)
 * const again = tritBatch.vectors(tritBatch.unbind(bound, key))
 * console.log(again.every((vector, i) => packedTrits.equals(vector, vectors[i]))) // → true
 * ```
 */
export const tritBatch: TritBatchAlgebra = {
  of(vectors, { device } = {}) {
    expectVectors('a batch', vectors)
    const { dims } = vectors[0]
    const packed = vectors.map((vector) => packedTrits.from(vector))
    return batch(planesTensor(joinedWords(packed, dims), dims, device), dims)
  },
  wrap(planes, dims) {
    expectDims('a batch', dims)
    if (planes.dtype !== 'i32')
      throw new TrituneError('E_DTYPE', `a batch: planes are i32, this tensor is ${planes.dtype}`)
    expectShape('a batch', planes.shape, [planes.shape[0], 2, wordsOf(dims)])
    return batch(planes, dims)
  },
  vectors({ planes, dims, rows }) {
    const words = wordsOfTensor(planes)
    return Array.from({ length: rows }, (_, row) => {
      const vector = vectorAt(words, row, dims)
      expectPlanes(`row ${row}`, dims, vector.plus, vector.minus)
      return vector
    })
  },
  bind: (a, b) => combined('bind', vsaBind, a, b),
  unbind: (x, b) => combined('unbind', vsaUnbind, x, b),
  product: (a, b) => combined('product', vsaProduct, a, b),
  // a + a is −a modulo 3.
  negate: (a) => tritBatch.unbind(a, a),
  bundle({ planes, dims, rows }, { count = rows, weights } = {}) {
    return noGrad(() => {
      if (weights === undefined) return batch(vsaBundle(planes, { dims, count }), dims)
      using asked = tensor(expectWeights(weights, rows), { device: planes.device })
      return batch(vsaBundle(planes, { dims, count, weights: asked }), dims)
    })
  },
  permute: ({ planes, dims }, shift = 1) =>
    noGrad(() => batch(vsaPermute(planes, { dims, shift: expectShift(shift, dims) }), dims)),
  dots: (a, b) => pairs('dot', a, b),
  cosines(a, b) {
    const [dots, left, right] = [tritBatch.dots(a, b), tritBatch.nonzeros(a), tritBatch.nonzeros(b)]
    return Float64Array.from(dots, (dot, i) => cosineOf(dot, left[Math.floor(i / b.rows)], right[i % b.rows]))
  },
  hamming: (a, b) => pairs('hamming', a, b),
  nonzeros(a) {
    using _scope = tensorScope()
    return tritBatch.hamming(a, tritBatch.of([packedTrits.zeros(a.dims)], { device: a.planes.device }))
  },
}

function batch(planes: Tensor, dims: number): TritBatch {
  return { dims, rows: planes.shape[0], planes, [Symbol.dispose]: () => planes.dispose() }
}

type Combine = typeof vsaBind

function combined(subject: string, op: Combine, a: TritBatch, b: TritBatch): TritBatch {
  expectSame(subject, a, b)
  return noGrad(() => batch(op(a.planes, b.planes, { dims: a.dims }), a.dims))
}

function pairs(metric: 'dot' | 'hamming', a: TritBatch, b: TritBatch): Int32Array {
  expectSame(metric, a, b)
  using scores = noGrad(() => vsaSimilarity(a.planes, b.planes, { dims: a.dims, metric }))
  return intsOfTensor(scores)
}

function expectSame(subject: string, a: TritBatch, b: TritBatch): void {
  if (a.dims !== b.dims)
    throw new TrituneError('E_SHAPE', `${subject}: vectors of ${a.dims} and of ${b.dims} dimensions`)
}
