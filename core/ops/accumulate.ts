/**
 * add_to: adds one tensor to another in place. Used by the tape and by gradient transforms; not differentiable.
 */
import { TrituneError } from '../errors.ts'
import { expectTensor } from '../tensor/expect-tensor.ts'
import { defineOp, expectDType, type Op, run } from '../tensor/op.ts'
import { expectShape } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'

/** y += x; y f32 or bf16, x f32 or bf16, same shape. */
export const addToOp: Op<{ readonly x: Tensor }, { readonly dtype: 'f32' | 'bf16' }, { readonly y: Tensor }> =
  defineOp({
    name: 'add_to',
    outputs({ x }, { dtype }) {
      expectDType('add_to', 'x', x, ['f32', 'bf16'])
      if (dtype !== 'f32' && dtype !== 'bf16')
        throw new TrituneError('E_DTYPE', `add_to: y is ${String(dtype)}, allowed: f32, bf16`)
      return { y: { shape: x.shape, dtype } }
    },
    accumulates: ['y'],
    reference({ inputs: { x }, outputs: { y } }) {
      for (let i = 0; i < y.data.length; i++) y.data[i] += x.data[i]
    },
  })

/**
 * target += source, in place.
 *
 * @example
 * ```ts
 * import { addTo, tensor, tensorScope } from 'tritune/core'
 *
 * using _scope = tensorScope()
 * const sum = tensor([1, 1])
 * addTo(sum, tensor([2, 3])) // changes `sum`; makes nothing new
 * console.log([...sum.toArray()]) // → [ 3, 4 ]
 * ```
 */
export function addTo(target: Tensor, source: Tensor): void {
  expectTensor('add_to', 'target', target)
  expectTensor('add_to', 'source', source)
  expectShape('add_to', source.shape, target.shape)
  expectDType('add_to', 'the sum', target, ['f32', 'bf16'])
  run(addToOp, { x: source }, { dtype: target.dtype === 'bf16' ? 'bf16' : 'f32' }, { y: target })
}
