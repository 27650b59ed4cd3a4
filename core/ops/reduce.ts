/**
 * Sums, means and maxima along one axis or over everything; accumulation in f32.
 */
import { TrituneError } from '../errors.ts'
import { expectOptions, expectList, expectKnown, expectSizes } from '../tensor/expect.ts'
import { expectTensor } from '../tensor/expect-tensor.ts'
import { defineOp, expectDType, type Op, run } from '../tensor/op.ts'
import { expectShape, formatShape, resolveAxis, sameShape, type Shape, sizeOf } from '../tensor/shape.ts'
import { noGrad } from '../tensor/tape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { stridedCopy } from './strided-copy.ts'
import { affine } from './unary.ts'

/** Numbers of the op `reduce`: the function, and the axis as the middle of three sizes. */
export interface ReduceParams {
  readonly f: 'sum' | 'mean' | 'amax'
  /** x is seen as (outer, n, inner). */
  readonly outer: number
  readonly n: number
  readonly inner: number
  /** Of x and y. */
  readonly from: Shape
  readonly shape: Shape
}

/** y (outer, inner) = f over n of x (outer, n, inner) */
export const reduceOp: Op<{ readonly x: Tensor }, ReduceParams, { readonly y: Tensor }> = defineOp({
  name: 'reduce',
  outputs({ x }, { f, outer, n, inner, from, shape }) {
    expectKnown('reduce', 'f', f, { sum: 0, mean: 0, amax: 0 })
    expectDType(f, 'x', x, ['f32', 'bf16'])
    expectShape(`${f} x`, x.shape, from)
    expectSizes(`${f} (outer, n, inner)`, [outer, n, inner])
    if (n === 0 && f !== 'sum' && outer * inner > 0)
      throw new TrituneError('E_SHAPE', `${f}: of no numbers, x is ${formatShape(from)}`)
    if (outer * n * inner !== x.size || outer * inner !== sizeOf(shape))
      throw new TrituneError(
        'E_SHAPE',
        `${f}: ${formatShape([outer, n, inner])} does not lead from ${formatShape(from)} to ${formatShape(shape)}`,
      )
    return { y: { shape, dtype: x.dtype } }
  },
  reference({ inputs: { x }, params: { f, outer, n, inner }, outputs: { y } }) {
    for (let o = 0; o < outer; o++) {
      for (let i = 0; i < inner; i++) {
        let result = f === 'amax' ? -Infinity : 0
        for (let j = 0; j < n; j++) {
          const value = x.data[(o * n + j) * inner + i]
          result = f === 'amax' ? Math.max(result, value) : result + value
        }
        y.data[o * inner + i] = f === 'mean' ? result / n : result
      }
    }
  },
  gradient({ params: { f, outer, n, inner, from }, grads: { y: dy }, pending }) {
    if (!dy) return {}
    const each = f === 'mean' ? affine(dy, { scale: 1 / n }) : dy
    const into = pending('x')
    const dims = [
      [outer, n * inner, inner],
      [n, inner, 0],
      [inner, 1, 1],
    ] as const
    return { x: stridedCopy(each, from, dims, { accumulate: into !== null, into }) }
  },
})

/** Options of `sum()`, `mean()` and `amax()`. */
export interface ReduceOptions {
  /** null: over everything. */
  readonly axis?: number | null
  /** Keeps a size of 1 where the axis was. */
  readonly keepDims?: boolean
}

/**
 * Σ x along an axis, or over everything; the sum is f32, the result has the dtype of x.
 *
 * @example
 * ```ts
 * import { sum, tensor, tensorScope } from 'tritune/core'
 *
 * using _scope = tensorScope()
 * const x = tensor([1, 2, 3, 4], { shape: [2, 2] })
 * console.log(sum(x).item(), [...sum(x, { axis: 0 }).toArray()]) // → 10 [ 4, 6 ]
 * ```
 */
export function sum(x: Tensor, options: ReduceOptions = {}): Tensor {
  return reduce(x, 'sum', options)
}

/**
 * Σ x / n along an axis, or over everything; the sum is f32, the result has the dtype of x.
 *
 * @example
 * ```ts
 * import { mean, tensor, tensorScope } from 'tritune/core'
 *
 * using _scope = tensorScope()
 * console.log(mean(tensor([1, 2, 6])).item()) // → 3
 * ```
 */
export function mean(x: Tensor, options: ReduceOptions = {}): Tensor {
  return reduce(x, 'mean', options)
}

/** The largest element along an axis, or of everything. No gradient. */
export function amax(x: Tensor, options: ReduceOptions = {}): Tensor {
  return reduce(x, 'amax', options)
}

/** x summed over what broadcasting `shape` to x.shape repeats: the gradient of broadcasting. */
export function sumTo(x: Tensor, shape: Shape): Tensor {
  expectTensor('sum_to', 'x', x)
  expectList('sum_to', shape)
  if (sameShape(x.shape, shape)) return x
  const lead = x.shape.length - shape.length
  const aligned = x.shape.map((_, i) => (i < lead ? 1 : shape[i - lead]))
  let result = x
  // Neighbouring axes that are both repeated are one sum; the last run first, it shrinks the most.
  for (let end = aligned.length; end > 0;) {
    let start = end - 1
    const repeated = (axis: number): boolean => aligned[axis] === 1 && x.shape[axis] !== 1
    if (repeated(start)) {
      while (start > 0 && repeated(start - 1)) start--
      const from = result.shape
      const params = {
        outer: sizeOf(from.slice(0, start)),
        n: sizeOf(from.slice(start, end)),
        inner: sizeOf(from.slice(end)),
        from,
        shape: from.map((n, i) => (i >= start && i < end ? 1 : n)),
      }
      result = run(reduceOp, { x: result }, { f: 'sum', ...params }).y
    }
    end = start
  }
  return result.view(shape)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function reduce(x: Tensor, f: ReduceParams['f'], options: ReduceOptions): Tensor {
  expectTensor(f, 'x', x)
  expectOptions(f, options)
  const { axis = null, keepDims = false } = options
  const from = x.shape
  const at = axis === null ? -1 : resolveAxis(from, axis)
  const params: ReduceParams =
    axis === null
      ? { f, outer: 1, n: x.size, inner: 1, from, shape: keepDims ? from.map(() => 1) : [] }
      : {
          f,
          outer: sizeOf(from.slice(0, at)),
          n: from[at],
          inner: sizeOf(from.slice(at + 1)),
          from,
          shape: keepDims ? from.with(at, 1) : from.toSpliced(at, 1),
        }
  return f === 'amax' ? noGrad(() => run(reduceOp, { x }, params).y) : run(reduceOp, { x }, params).y
}
