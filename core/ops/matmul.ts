/**
 * matmul of two tensors, of one matrix each or in batches. Layers use linear(), whose gradients of weights are f32.
 */
import { expectOptions } from '../tensor/expect.ts'
import { TrituneError } from '../errors.ts'
import { expectTensor } from '../tensor/expect-tensor.ts'
import { defineOp, expectDType, type Op, run } from '../tensor/op.ts'
import { broadcastShapes, formatShape, sameShape, type Shape, sizeOf } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { addProduct } from './_reference.ts'
import { cast } from './cast.ts'
import { expand, reshape } from './movement.ts'
import { sumTo } from './reduce.ts'

/** Inputs of the op `matmul`, f32 or bf16, of one dtype: the batches are equal, or one of the two is a single matrix. */
export type MatmulInputs = {
  readonly a: Tensor // (batch…, m, k), or (batch…, k, m) when transposeA
  readonly b: Tensor // (batch…, k, n), or (batch…, n, k) when transposeB
}

/** Numbers of the op `matmul`: which inputs are stored transposed. */
export interface MatmulParams {
  readonly transposeA: boolean
  readonly transposeB: boolean
  /** c is f32 whatever a and b are: the sums are, and this keeps them. */
  readonly wide?: boolean
}

/** c = op(a)·op(b); the batches are equal, or one of the two is a single matrix. */
export const matmulOp: Op<MatmulInputs, MatmulParams, { readonly c: Tensor }> = defineOp({
  name: 'matmul',
  outputs({ a, b }, params) {
    expectDType('matmul', 'a', a, ['f32', 'bf16'])
    expectDType('matmul', 'b', b, [a.dtype])
    const { batch, m, n } = matmulSizes(a.shape, b.shape, params)
    return { c: { shape: [...batch, m, n], dtype: params.wide ? 'f32' : a.dtype } }
  },
  reference({ inputs: { a, b }, params, outputs: { c } }) {
    const { batch, m, n, k, strideA, strideB } = matmulSizes(a.shape, b.shape, params)
    for (let i = 0; i < sizeOf(batch); i++) {
      addProduct(
        c.data.subarray(i * m * n, (i + 1) * m * n),
        a.data.subarray(i * strideA),
        b.data.subarray(i * strideB),
        { m, n, k, ...params },
      )
    }
  },
  saves: ['a', 'b'],
  gradient({ saved: { a, b }, params: { transposeA, transposeB }, grads, needs }) {
    if (!grads.c) return {}
    const dc = cast(grads.c, a.dtype === 'bf16' ? 'bf16' : 'f32')
    const product = (x: Tensor, y: Tensor, tx: boolean, ty: boolean): Tensor =>
      run(matmulOp, { a: x, b: y }, { transposeA: tx, transposeB: ty }).c
    const da = (): Tensor =>
      transposeA ? product(b, dc, transposeB, true) : product(dc, b, false, !transposeB)
    const db = (): Tensor =>
      transposeB ? product(dc, a, true, transposeA) : product(a, dc, !transposeA, false)
    return { a: needs('a') ? sumTo(da(), a.shape) : null, b: needs('b') ? sumTo(db(), b.shape) : null }
  },
})

/** What a product multiplies: sizes, and elements from one matrix of the batch to the next (0: the same one). */
export function matmulSizes(
  a: Shape,
  b: Shape,
  { transposeA, transposeB }: MatmulParams,
): {
  readonly batch: Shape
  readonly m: number
  readonly n: number
  readonly k: number
  readonly strideA: number
  readonly strideB: number
} {
  const [m, k] = transposeA ? [a[a.length - 1], a[a.length - 2]] : [a[a.length - 2], a[a.length - 1]]
  const [n, inner] = transposeB ? [b[b.length - 2], b[b.length - 1]] : [b[b.length - 1], b[b.length - 2]]
  const [batchA, batchB] = [a.slice(0, -2), b.slice(0, -2)]
  const equal = sameShape(batchA, batchB)
  if (a.length < 2 || b.length < 2 || k !== inner || !(equal || batchA.length === 0 || batchB.length === 0)) {
    const marks = `${transposeA ? 'ᵀ' : ''} and ${formatShape(b)}${transposeB ? 'ᵀ' : ''}`
    throw new TrituneError('E_SHAPE', `matmul: ${formatShape(a)}${marks} do not fit`)
  }
  return {
    batch: batchA.length > 0 ? batchA : batchB,
    m,
    n,
    k,
    strideA: batchA.length > 0 ? m * k : 0,
    strideB: batchB.length > 0 ? k * n : 0,
  }
}

/**
 * a·b over the last two axes, leading axes broadcast; f32 or bf16. The transposes are free.
 *
 * @example
 * ```ts
 * import { matmul, tensor, tensorScope } from 'tritune/core'
 *
 * using _scope = tensorScope()
 * const a = tensor([1, 2, 3, 4], { shape: [2, 2] })
 * console.log([...matmul(a, a, { transposeB: true }).toArray()]) // → [ 5, 11, 11, 25 ]
 * ```
 */
export function matmul(a: Tensor, b: Tensor, options: Partial<MatmulParams> = {}): Tensor {
  expectTensor('matmul', 'a', a)
  expectTensor('matmul', 'b', b)
  expectOptions('matmul', options)
  const { transposeA = false, transposeB = false, wide = false } = options
  const params = { transposeA, transposeB, wide }
  // Many matrices times one are one taller matrix.
  if (a.shape.length > 2 && b.shape.length === 2 && !transposeA) {
    const flat = run(matmulOp, { a: reshape(a, [-1, a.shape[a.shape.length - 1]]), b }, params).c
    return reshape(flat, [...a.shape.slice(0, -1), flat.shape[1]])
  }
  const [batchA, batchB] = [a.shape.slice(0, -2), b.shape.slice(0, -2)]
  if (sameShape(batchA, batchB) || batchA.length === 0 || batchB.length === 0)
    return run(matmulOp, { a, b }, params).c
  const batch = broadcastShapes(batchA, batchB)
  return run(
    matmulOp,
    { a: expand(a, [...batch, ...a.shape.slice(-2)]), b: expand(b, [...batch, ...b.shape.slice(-2)]) },
    params,
  ).c
}
