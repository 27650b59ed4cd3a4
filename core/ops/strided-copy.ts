/**
 * strided_copy: every op that only moves elements is one of these. Not differentiable by itself; movement.ts is.
 */
import { TrituneError } from '../errors.ts'
import { expectApart, expectInside, expectOptions, expectSizes } from '../tensor/expect.ts'
import { expectTensor } from '../tensor/expect-tensor.ts'
import { defineOp, expectDType, type Op, run } from '../tensor/op.ts'
import { formatShape, type Shape, sizeOf } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { axesOf, type Dim, expectAxes, expectDims, forEachIndex, joinDims } from './_dims.ts'

/** Numbers of the op `strided_copy`: the places that are read and written, in elements. */
export interface StridedCopyParams {
  /** Of y. */
  readonly shape: Shape
  /** size, stride in y, stride in x */
  readonly dims: readonly Dim[]
  /** First element written in y, first element read in x. */
  readonly yOffset: number
  readonly xOffset: number
  /** Adds instead of writing; f32 and bf16 only. */
  readonly accumulate: boolean
  /** What is not written stays (zeros in a new y). */
  readonly partial: boolean
}

/** y[yOffset + Σ i·yStride] = x[xOffset + Σ i·xStride] */
export const stridedCopyOp: Op<{ readonly x: Tensor }, StridedCopyParams, { readonly y: Tensor }> = defineOp({
  name: 'strided_copy',
  outputs({ x }, { shape, dims, yOffset, xOffset, accumulate, partial }) {
    if (accumulate) expectDType('strided_copy', 'x', x, ['f32', 'bf16'])
    expectSizes('strided_copy y', shape)
    expectDims('strided_copy', dims)
    const [to, from] = [axesOf(dims, 1), axesOf(dims, 2)]
    expectInside('strided_copy y', to, yOffset, sizeOf(shape))
    expectInside('strided_copy x', from, xOffset, x.size)
    expectApart('strided_copy y', to)
    const copied = sizeOf(dims.map(([size]) => size))
    if (!accumulate && !partial && copied !== sizeOf(shape))
      throw new TrituneError('E_SHAPE', `strided_copy: ${copied} elements do not fill ${formatShape(shape)}`)
    return { y: { shape, dtype: x.dtype } }
  },
  accumulates: ({ accumulate, partial }) => (accumulate || partial ? ['y'] : []),
  reference({ inputs: { x }, params: { dims, yOffset, xOffset, accumulate }, outputs: { y } }) {
    forEachIndex(dims, (_, to, from) => {
      const value = x.data[xOffset + from]
      y.data[yOffset + to] = accumulate ? y.data[yOffset + to] + value : value
    })
  },
})

/** Runs strided_copy; `into` takes the result and says what else of it stays. */
export function stridedCopy(
  x: Tensor,
  shape: Shape,
  dims: readonly Dim[],
  options: {
    readonly yOffset?: number
    readonly xOffset?: number
    readonly accumulate?: boolean
    readonly partial?: boolean
    readonly into?: Tensor | null
  } = {},
): Tensor {
  expectTensor('strided_copy', 'x', x)
  expectAxes('strided_copy', dims)
  expectOptions('strided_copy', options)
  const { yOffset = 0, xOffset = 0, accumulate = false, partial = false, into = null } = options
  const params = { shape, dims: joinDims('strided_copy', dims), yOffset, xOffset, accumulate, partial }
  return run(stridedCopyOp, { x }, params, { y: into }).y
}
