/**
 * Ternary hypervectors on bit planes: the algebra of multiply-add-permute VSAs (Gayler 1998) with {−1, 0, 1}.
 *
 * A batch of vectors is i32 (rows, 2, ⌈dims/32⌉): plane 0 marks +1, plane 1 marks −1; dimension i is bit i % 32 of word
 * ⌊i/32⌋, and bits past dims are 0. Everything is exact, but for the sums of weighted bundles, which are f32 in the order of the
 * rows, the same everywhere. Nothing here has a gradient.
 */
import { TrituneError } from '../errors.ts'
import { expectInteger, expectKnown, expectOptions, expectRows } from '../tensor/expect.ts'
import { expectTensor } from '../tensor/expect-tensor.ts'
import { defineOp, expectDType, type Op, type ReferenceArray, run, type TensorSpec } from '../tensor/op.ts'
import { expectShape } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'

/** Numbers of the VSA ops: the dimensions of each hypervector; 32 of them lie in a word. */
export interface VsaParams {
  readonly dims: number
}

/** Words of 32 bits that a plane of so many dimensions takes. */
export function vsaWords(dims: number): number {
  return Math.ceil(dims / 32)
}

/** x (rows, dims) i8; what is positive is +1, what is negative −1. */
export const vsaPackOp: Op<{ readonly x: Tensor }, null, { readonly y: Tensor }> = defineOp({
  name: 'vsa_pack',
  outputs({ x }) {
    const [rows, dims] = x.shape
    expectDType('vsa_pack', 'x', x, ['i8'])
    expectShape('vsa_pack x', x.shape, [rows, dims])
    expectRows('vsa_pack x', x.shape)
    return { y: planes(rows, dims) }
  },
  reference({ inputs: { x }, outputs: { y } }) {
    writeVectors(y, x.shape[1], (row, i) => x.data[row * x.shape[1] + i])
  },
})

/** The op `vsa_unpack`: planes (rows, 2, ⌈dims/32⌉) → i8 (rows, dims) of −1, 0, 1. Use `vsaUnpack()`. */
export const vsaUnpackOp: Op<{ readonly x: Tensor }, VsaParams, { readonly y: Tensor }> = defineOp({
  name: 'vsa_unpack',
  outputs({ x }, { dims }) {
    expectPlanes('vsa_unpack x', x, dims)
    return { y: { shape: [x.shape[0], dims], dtype: 'i8' } }
  },
  reference({ inputs: { x }, params: { dims }, outputs: { y } }) {
    for (let i = 0; i < y.data.length; i++) y.data[i] = tritAt(x, Math.floor(i / dims), i % dims)
  },
})

/** What `vsa_combine` does in each dimension: a·b, a − b modulo 3, or a + b modulo 3; the last two in −1 … 1. */
export type VsaCombination = 'product' | 'bind' | 'unbind'

const COMBINATIONS: { readonly [K in VsaCombination]: (a: number, b: number) => number } = {
  product: (a, b) => a * b,
  bind: (a, b) => balanced(a - b),
  unbind: (a, b) => balanced(a + b),
}

/**
 * The op `vsa_combine`: two vectors to one, dimension by dimension; b has as many rows as a, or one for all. Use
 * `vsaProduct()`, `vsaBind()` and `vsaUnbind()`.
 */
export const vsaCombineOp: Op<
  { readonly a: Tensor; readonly b: Tensor },
  VsaParams & { readonly how: VsaCombination },
  { readonly y: Tensor }
> = defineOp({
  name: 'vsa_combine',
  outputs({ a, b }, { dims, how }) {
    expectKnown('vsa_combine', 'how', how, COMBINATIONS)
    expectPlanes('vsa_combine a', a, dims)
    expectPlanes('vsa_combine b', b, dims)
    if (b.shape[0] !== 1) expectShape('vsa_combine b', b.shape, a.shape)
    return { y: planes(a.shape[0], dims) }
  },
  reference({ inputs: { a, b }, params: { dims, how }, outputs: { y } }) {
    const stride = b.shape[0] === 1 ? 0 : 1
    const combine = COMBINATIONS[how]
    writeVectors(y, dims, (row, i) => combine(tritAt(a, row, i), tritAt(b, row * stride, i)))
  },
})

/** Sums of more vectors do not fit the counters of the kernels. */
const LARGEST_BUNDLE = 65535

/**
 * The op `vsa_bundle`: the sign of the sum of each group of `count` vectors, each times its weight if there are weights
 * (rows of x, f32); 0 where they cancel. Use `vsaBundle()`. Throws E_SHAPE unless the rows are groups of `count`.
 */
export const vsaBundleOp: Op<
  { readonly x: Tensor; readonly weights: Tensor | undefined },
  VsaParams & { readonly count: number },
  { readonly y: Tensor }
> = defineOp({
  name: 'vsa_bundle',
  outputs({ x, weights }, { dims, count }) {
    expectPlanes('vsa_bundle x', x, dims)
    if (!(Number.isInteger(count) && count >= 1 && count <= LARGEST_BUNDLE))
      throw new TrituneError('E_SHAPE', `vsa_bundle: count must be 1 … ${LARGEST_BUNDLE}, got ${count}`)
    if (x.shape[0] % count !== 0)
      throw new TrituneError('E_SHAPE', `vsa_bundle: ${x.shape[0]} rows are not groups of ${count}`)
    if (weights) {
      expectDType('vsa_bundle', 'weights', weights, ['f32'])
      expectShape('vsa_bundle weights', weights.shape, [x.shape[0]])
    }
    return { y: planes(x.shape[0] / count, dims) }
  },
  reference({ inputs: { x, weights }, params: { dims, count }, outputs: { y } }) {
    writeVectors(y, dims, (group, i) => {
      let sum = 0
      for (let row = group * count; row < (group + 1) * count; row++) {
        const trit = tritAt(x, row, i)
        // What is not there adds nothing, whatever its weight is.
        if (trit !== 0) sum = fround(sum + trit * (weights ? weights.data[row] : 1))
      }
      return sum
    })
  },
})

/** How `vsa_similarity` compares two vectors: their inner product, or the number of dimensions in which they differ. */
export type VsaMetric = 'dot' | 'hamming'

const METRICS: { readonly [K in VsaMetric]: (a: number, b: number) => number } = {
  dot: (a, b) => a * b,
  hamming: (a, b) => Number(a !== b),
}

/** The op `vsa_similarity`: i32 (rows of a, rows of b) of a metric of all pairs. Use `vsaSimilarity()`. */
export const vsaSimilarityOp: Op<
  { readonly a: Tensor; readonly b: Tensor },
  VsaParams & { readonly metric: VsaMetric },
  { readonly scores: Tensor }
> = defineOp({
  name: 'vsa_similarity',
  outputs({ a, b }, { dims, metric }) {
    expectKnown('vsa_similarity', 'metric', metric, METRICS)
    expectPlanes('vsa_similarity a', a, dims)
    expectPlanes('vsa_similarity b', b, dims)
    return { scores: { shape: [a.shape[0], b.shape[0]], dtype: 'i32' } }
  },
  reference({ inputs: { a, b }, params: { dims, metric }, outputs: { scores } }) {
    const rows = b.shape[0]
    const compare = METRICS[metric]
    for (let pair = 0; pair < scores.data.length; pair++) {
      for (let i = 0; i < dims; i++)
        scores.data[pair] += compare(tritAt(a, Math.floor(pair / rows), i), tritAt(b, pair % rows, i))
    }
  },
})

/** The op `vsa_permute`: dimension i moves to (i + shift) mod dims. Use `vsaPermute()`. */
export const vsaPermuteOp: Op<
  { readonly x: Tensor },
  VsaParams & { readonly shift: number },
  { readonly y: Tensor }
> = defineOp({
  name: 'vsa_permute',
  outputs({ x }, { dims, shift }) {
    expectPlanes('vsa_permute x', x, dims)
    expectInteger('vsa_permute', 'shift', shift, {
      min: -Number.MAX_SAFE_INTEGER,
      max: Number.MAX_SAFE_INTEGER,
    })
    return { y: planes(x.shape[0], dims) }
  },
  reference({ inputs: { x }, params: { dims, shift }, outputs: { y } }) {
    writeVectors(y, dims, (row, i) => tritAt(x, row, (((i - shift) % dims) + dims) % dims))
  },
})

// ---- functions --------------------------------------------------------------------------------------------------

/** x (rows, dims) i8 → bit planes. What is positive is +1, what is negative −1. */
export function vsaPack(x: Tensor): Tensor {
  return run(vsaPackOp, { x }, null).y
}

/** Bit planes → (rows, dims) i8. */
export function vsaUnpack(x: Tensor, options: VsaParams): Tensor {
  expectOptions('vsa_unpack', options)
  const { dims } = options
  return run(vsaUnpackOp, { x }, { dims }).y
}

/** a∘b, elementwise; twice with the same b gives a where b is not 0. b has as many rows as a, or one for all. */
export function vsaProduct(a: Tensor, b: Tensor, options: VsaParams): Tensor {
  return combine('product', a, b, options)
}

/**
 * a − b modulo 3 in each dimension, in −1 … 1: `vsaUnbind()` with the same b gives a again, in every dimension. b has as
 * many rows as a, or one for all.
 *
 * @example
 * ```ts
 * import { tensor, tensorScope, vsaBind, vsaPack, vsaUnbind, vsaUnpack } from 'tritune/core'
 *
 * using _scope = tensorScope()
 * const role = vsaPack(tensor([1, 0, -1], { shape: [1, 3], dtype: 'i8' }))
 * const filler = vsaPack(tensor([-1, -1, 0], { shape: [1, 3], dtype: 'i8' }))
 * const bound = vsaBind(filler, role, { dims: 3 })
 * console.log([...vsaUnpack(bound, { dims: 3 }).toArray()]) // → [ 1, -1, 1 ]
 * console.log([...vsaUnpack(vsaUnbind(bound, role, { dims: 3 }), { dims: 3 }).toArray()]) // → [ -1, -1, 0 ]
 * ```
 */
export function vsaBind(a: Tensor, b: Tensor, options: VsaParams): Tensor {
  return combine('bind', a, b, options)
}

/** a + b modulo 3 in each dimension, in −1 … 1: what `vsaBind()` made of x and b becomes x. */
export function vsaUnbind(a: Tensor, b: Tensor, options: VsaParams): Tensor {
  return combine('unbind', a, b, options)
}

/** Options of `vsaBundle()`. */
export interface VsaBundleOptions extends VsaParams {
  /** Vectors of a bundle, 1 … 65535; default: all of x. */
  readonly count?: number
  /** (rows of x) f32: what each vector counts; default: 1. Sums are then f32, in the order of the rows. */
  readonly weights?: Tensor
}

/** Sign of the sum of each `count` consecutive vectors; ties give 0. */
export function vsaBundle(x: Tensor, options: VsaBundleOptions): Tensor {
  expectTensor('vsa_bundle', 'x', x)
  expectOptions('vsa_bundle', options)
  const { dims, count = x.shape[0], weights } = options
  return run(vsaBundleOp, { x, weights }, { dims, count }).y
}

/** All pairs, (rows of a, rows of b) i32: inner products, or with `metric: 'hamming'` the dimensions that differ. */
export function vsaSimilarity(
  a: Tensor,
  b: Tensor,
  options: VsaParams & { readonly metric?: VsaMetric },
): Tensor {
  expectOptions('vsa_similarity', options)
  const { dims, metric = 'dot' } = options
  return run(vsaSimilarityOp, { a, b }, { dims, metric }).scores
}

/** y[i] = x[(i − shift) mod dims]; any whole shift. */
export function vsaPermute(x: Tensor, options: VsaParams & { readonly shift?: number }): Tensor {
  expectOptions('vsa_permute', options)
  const { dims, shift = 1 } = options
  return run(vsaPermuteOp, { x }, { dims, shift }).y
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const { fround } = Math

/** The number of −1 … 1 that is x modulo 3, for x of −2 … 2. */
function balanced(x: number): number {
  return x > 1 ? x - 3 : x < -1 ? x + 3 : x
}

function combine(how: VsaCombination, a: Tensor, b: Tensor, options: VsaParams): Tensor {
  expectOptions('vsa_combine', options)
  const { dims } = options
  return run(vsaCombineOp, { a, b }, { dims, how }).y
}

function planes(rows: number, dims: number): TensorSpec {
  return { shape: [rows, 2, vsaWords(dims)], dtype: 'i32' }
}

function expectPlanes(name: string, x: Tensor, dims: number): void {
  if (!(Number.isInteger(dims) && dims > 0 && dims < 2 ** 31))
    throw new TrituneError('E_SHAPE', `${name}: dims must be a positive whole number, got ${dims}`)
  expectDType(name, 'planes', x, ['i32'])
  expectShape(name, x.shape, [x.shape[0], 2, vsaWords(dims)])
}

function tritAt({ data, shape }: ReferenceArray, row: number, i: number): number {
  const words = shape[2]
  const at = row * 2 * words + (i >> 5)
  return ((data[at] >> (i & 31)) & 1) - ((data[at + words] >> (i & 31)) & 1)
}

/** y becomes the vectors whose element i of row r has the sign of `valueOf(r, i)`. */
function writeVectors(
  { data, shape }: ReferenceArray,
  dims: number,
  valueOf: (row: number, i: number) => number,
): void {
  const [rows, , words] = shape
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < dims; i++) {
      const value = valueOf(row, i)
      const at = (row * 2 + Number(value < 0)) * words + (i >> 5)
      if (value !== 0) data[at] |= 1 << (i & 31)
    }
  }
}
