/**
 * Ops that change where elements are and not what they are. Gradients move back, into what already waits where there
 * is something.
 */
import { expectList, expectOptions } from '../tensor/expect.ts'
import { expectTensor } from '../tensor/expect-tensor.ts'
import { TrituneError } from '../errors.ts'
import {
  broadcastShapes,
  broadcastStrides,
  expectShape,
  formatShape,
  resolveAxis,
  type Shape,
  sizeOf,
  stridesOf,
} from '../tensor/shape.ts'
import { linksOf, record, type RecordedNode } from '../tensor/tape.ts'
import { empty, type Tensor } from '../tensor/tensor.ts'
import { sumTo } from './reduce.ts'
import { stridedCopy } from './strided-copy.ts'

/**
 * The same elements under another shape (one size may be −1). No copy: both handles look at the same memory.
 *
 * @example
 * ```ts
 * import { reshape, tensor, tensorScope } from 'tritune/core'
 *
 * using _scope = tensorScope()
 * console.log(reshape(tensor([1, 2, 3, 4, 5, 6]), [2, -1]).shape) // → [ 2, 3 ]
 * ```
 */
export function reshape(x: Tensor, shape: Shape): Tensor {
  expectTensor('reshape', 'x', x)
  expectList('reshape', shape)
  const from = x.shape
  return recorded('reshape', { x }, x.view(shape), ({ y: dy }) => ({ x: dy?.view(from) }))
}

/**
 * Axis i of the result is axis axes[i] of x.
 *
 * @example
 * ```ts
 * import { permute, tensorScope, zeros } from 'tritune/core'
 *
 * using _scope = tensorScope()
 * console.log(permute(zeros([2, 3, 4]), [2, 0, 1]).shape) // → [ 4, 2, 3 ]
 * ```
 */
export function permute(x: Tensor, axes: readonly number[]): Tensor {
  expectTensor('permute', 'x', x)
  expectList('permute', axes, 'the order is a list of axes')
  const order = axes.map((axis) => resolveAxis(x.shape, axis))
  if (new Set(order).size !== x.shape.length)
    throw new TrituneError(
      'E_SHAPE',
      `permute: axes ${axes.join(', ')} are no order of ${formatShape(x.shape)}`,
    )
  const inverse = order.map((_, axis) => order.indexOf(axis))
  return recorded('permute', { x }, permuted(x, order, null), ({ y: dy }, { pending }) => ({
    x: dy && permuted(dy, inverse, pending('x')),
  }))
}

/**
 * Swaps two axes, by default the last two; negative ones count from the end. A copy: tensors are contiguous.
 *
 * @example
 * ```ts
 * import { tensor, tensorScope, transpose } from 'tritune/core'
 *
 * using _scope = tensorScope()
 * console.log([...transpose(tensor([1, 2, 3, 4], { shape: [2, 2] })).toArray()]) // → [ 1, 3, 2, 4 ]
 * ```
 */
export function transpose(x: Tensor, a = -2, b = -1): Tensor {
  expectTensor('transpose', 'x', x)
  const axes = x.shape.map((_, i) => i)
  const [first, second] = [resolveAxis(x.shape, a), resolveAxis(x.shape, b)]
  axes[first] = second
  axes[second] = first
  return permute(x, axes)
}

/**
 * Options of `slice()`: which part of which axis. Without any it is the whole tensor; `axis` is 0 unless said
 * otherwise, negative ones count from the last.
 */
export interface SliceOptions {
  readonly axis?: number
  readonly start?: number
  /** One past the last. */
  readonly end?: number
}

/**
 * Indices start ≤ i < end of one axis. No copy where the elements are one run of memory (axis 0).
 *
 * @example
 * ```ts
 * import { slice, tensor, tensorScope } from 'tritune/core'
 *
 * using _scope = tensorScope()
 * console.log([...slice(tensor([1, 2, 3, 4]), { start: 1, end: 3 }).toArray()]) // → [ 2, 3 ]
 * ```
 */
export function slice(x: Tensor, options: SliceOptions): Tensor {
  expectTensor('slice', 'x', x)
  expectOptions('slice', options)
  const { axis = 0, start = 0, end } = options
  const at = resolveAxis(x.shape, axis)
  const stop = end ?? x.shape[at]
  if (!Number.isInteger(start) || !Number.isInteger(stop) || start < 0 || start > stop || stop > x.shape[at])
    throw new TrituneError(
      'E_SHAPE',
      `slice: ${start} to ${stop} is not in axis ${at} of ${formatShape(x.shape)}`,
    )
  const from = x.shape
  const shape = from.with(at, stop - start)
  const [strides, own] = [stridesOf(from), stridesOf(shape)]
  const offset = start * strides[at]
  const y =
    sizeOf(from.slice(0, at)) === 1
      ? x.window(shape, offset)
      : stridedCopy(
          x,
          shape,
          shape.map((n, i) => [n, own[i], strides[i]]),
          { xOffset: offset },
        )
  return recorded('slice', { x }, y, ({ y: dy }, { pending }) => {
    if (!dy) return {}
    const into = pending('x')
    const dims = shape.map((n, i) => [n, strides[i], own[i]] as const)
    return {
      x: stridedCopy(dy, from, dims, { yOffset: offset, accumulate: into !== null, partial: true, into }),
    }
  })
}

/**
 * Joins tensors along one axis; all other sizes and the dtypes are equal.
 *
 * @example
 * ```ts
 * import { concat, tensor, tensorScope } from 'tritune/core'
 *
 * using _scope = tensorScope()
 * console.log([...concat([tensor([1, 2]), tensor([3])]).toArray()]) // → [ 1, 2, 3 ]
 * ```
 */
export function concat(parts: readonly Tensor[], options: { readonly axis?: number } = {}): Tensor {
  expectList('concat', parts, 'it takes a list of tensors')
  expectOptions('concat', options)
  const { axis = 0 } = options
  for (const [i, part] of parts.entries()) expectTensor('concat', String(i), part)
  if (parts.length === 0) throw new TrituneError('E_SHAPE', 'concat: no tensors')
  const [{ shape: first, dtype, device }] = parts
  const at = resolveAxis(first, axis)
  for (const part of parts) expectShape('concat', part.shape, first.with(at, part.shape[at] ?? 0))
  const total = parts.reduce((sum, part) => sum + part.shape[at], 0)
  const shape = first.with(at, total)
  const strides = stridesOf(shape)
  const y = empty(shape, { dtype, device })
  const offsets: number[] = []
  let offset = 0
  try {
    for (const x of parts) {
      const own = stridesOf(x.shape)
      const dims = x.shape.map((n, i) => [n, strides[i], own[i]] as const)
      stridedCopy(x, shape, dims, { yOffset: offset, partial: true, into: y })
      offsets.push(offset)
      offset += x.shape[at] * strides[at]
    }
  } catch (error) {
    y.dispose()
    throw error
  }
  return recorded('concat', Object.fromEntries(parts.entries()), y, ({ y: dy }, { pending, links }) => {
    const gradients: Record<string, Tensor> = {}
    for (const [name, { shape: part }] of links) {
      if (!dy) continue
      const own = stridesOf(part)
      const into = pending(name)
      const dims = part.map((n, i) => [n, own[i], strides[i]] as const)
      const options = { xOffset: offsets[Number(name)], accumulate: into !== null, into }
      gradients[name] = stridedCopy(dy, part, dims, options)
    }
    return gradients
  })
}

/**
 * x repeated to `shape` by the broadcasting rule; the gradient sums back.
 *
 * @example
 * ```ts
 * import { expand, tensor, tensorScope } from 'tritune/core'
 *
 * using _scope = tensorScope()
 * console.log([...expand(tensor([1, 2]), [2, 2]).toArray()]) // → [ 1, 2, 1, 2 ]
 * ```
 */
export function expand(x: Tensor, shape: Shape): Tensor {
  expectTensor('expand', 'x', x)
  expectList('expand', shape)
  const from = x.shape
  expectShape('expand', broadcastShapes(from, shape), shape)
  const [own, strides] = [stridesOf(shape), broadcastStrides(from, shape)]
  const y = stridedCopy(
    x,
    shape,
    shape.map((n, i) => [n, own[i], strides[i]]),
  )
  return recorded('expand', { x }, y, ({ y: dy }) => ({ x: dy && sumTo(dy, from) }))
}

// ---- helpers ----------------------------------------------------------------------------------------------------

interface MovementTools {
  pending(input: string): Tensor | null
  readonly links: RecordedNode<Tensor>['links']
}

function recorded(
  name: string,
  inputs: Readonly<Record<string, Tensor>>,
  y: Tensor,
  backward: (
    grads: { readonly y?: Tensor },
    tools: MovementTools,
  ) => Readonly<Record<string, Tensor | undefined>>,
): Tensor {
  const links = linksOf(inputs)
  if (!links) return y
  record(
    {
      name,
      links,
      backward: (grads, tools) => backward(grads, { pending: (input) => tools.pending(input), links }),
      release() {},
    },
    { y },
  )
  return y
}

function permuted(x: Tensor, order: readonly number[], into: Tensor | null): Tensor {
  const shape = order.map((axis) => x.shape[axis])
  const [own, strides] = [stridesOf(shape), stridesOf(x.shape)]
  const dims = order.map((axis, i) => [shape[i], own[i], strides[axis]] as const)
  return stridedCopy(x, shape, dims, { accumulate: into !== null, into })
}
