/**
 * softmax over the last axis. Attention has its own inside.
 */
import { expectRows } from '../tensor/expect.ts'
import { defineOp, expectDType, type Op, run } from '../tensor/op.ts'
import { expectShape } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'

/** y = exp(x − max) / Σ exp(x − max), per row */
export const softmaxForward: Op<{ readonly x: Tensor }, null, { readonly y: Tensor }> = defineOp({
  name: 'softmax',
  outputs({ x }) {
    expectDType('softmax', 'x', x, ['f32', 'bf16'])
    expectRows('softmax x', x.shape)
    return { y: { shape: x.shape, dtype: x.dtype } }
  },
  reference({ inputs: { x }, outputs: { y } }) {
    const cols = x.shape.at(-1) ?? 1
    for (let first = 0; first < x.data.length; first += cols) {
      const row = x.data.subarray(first, first + cols)
      const largest = row.reduce((a, b) => Math.max(a, b), -Infinity)
      const powers = row.map((value) => Math.exp(value - largest))
      const total = powers.reduce((a, b) => a + b, 0)
      for (let c = 0; c < cols; c++) y.data[first + c] = powers[c] / total
    }
  },
  saves: ['y'],
  gradient({ saved: { y }, grads: { y: dy } }) {
    return dy ? { x: run(softmaxBackward, { dy, y }, null).dx } : {}
  },
})

/** The op `softmax_backward`: dx = y∘(dy − Σ dy∘y) along the last axis, shape and dtype of y. */
export const softmaxBackward: Op<{ readonly dy: Tensor; readonly y: Tensor }, null, { readonly dx: Tensor }> =
  defineOp({
    name: 'softmax_backward',
    outputs({ dy, y }) {
      expectRows('softmax_backward y', y.shape)
      expectDType('softmax_backward', 'y', y, ['f32', 'bf16'])
      expectDType('softmax_backward', 'dy', dy, [y.dtype])
      expectShape('softmax_backward dy', dy.shape, y.shape)
      return { dx: { shape: y.shape, dtype: y.dtype } }
    },
    reference({ inputs: { dy, y }, outputs: { dx } }) {
      const cols = y.shape.at(-1) ?? 1
      for (let first = 0; first < y.data.length; first += cols) {
        let dot = 0
        for (let i = first; i < first + cols; i++) dot += dy.data[i] * y.data[i]
        for (let i = first; i < first + cols; i++) dx.data[i] = y.data[i] * (dy.data[i] - dot)
      }
    },
  })

/**
 * Softmax of every row (last axis); f32 or bf16.
 *
 * @example
 * ```ts
 * import { softmax, tensor, tensorScope } from 'tritune/core'
 *
 * using _scope = tensorScope()
 * console.log([...softmax(tensor([0, 0], { shape: [1, 2] })).toArray()]) // → [ 0.5, 0.5 ]
 * ```
 */
export function softmax(x: Tensor): Tensor {
  return run(softmaxForward, { x }, null).y
}
