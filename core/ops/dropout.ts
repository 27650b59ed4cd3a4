/**
 * dropout (Srivastava et al. 2014) keyed by (seed, step, site, element): no mask is stored, the gradient makes it again.
 */
import { dropoutFactors, noiseKey } from '../tensor/noise.ts'
import { expectOptions, expectDropout, expectKey } from '../tensor/expect.ts'
import { expectTensor } from '../tensor/expect-tensor.ts'
import { defineOp, expectDType, type Op, run } from '../tensor/op.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { reshape } from './movement.ts'

/**
 * Numbers of the op `dropout`: the chance `p` in [0, 1) that an element becomes 0 (the others are divided by 1 − p),
 * and the key of the mask.
 */
export interface DropoutParams {
  readonly p: number
  readonly rng: Uint32Array<ArrayBuffer>
}

/**
 * The op `dropout`: y = x·mask/(1 − p), shape and dtype of x; the mask is made of the key and kept nowhere. Use
 * `dropout()`.
 */
export const dropoutOp: Op<{ readonly x: Tensor }, DropoutParams, { readonly y: Tensor }> = defineOp({
  name: 'dropout',
  outputs({ x }, { p, rng }) {
    expectDropout('dropout', p, rng)
    expectKey('dropout', rng)
    expectDType('dropout', 'x', x, ['f32', 'bf16'])
    return { y: { shape: x.shape, dtype: x.dtype } }
  },
  reference({ inputs: { x }, params: { p, rng }, outputs: { y } }) {
    const factors = dropoutFactors(rng, x.data.length, p)
    for (let i = 0; i < x.data.length; i++) y.data[i] = factors ? x.data[i] * factors[i] : x.data[i]
  },
  gradient: ({ params, grads: { y: dy } }) => (dy ? { x: run(dropoutOp, { x: dy }, params).y } : {}),
})

/**
 * Drops each element with probability p (0 ≤ p < 1). `site` = siteOf(path); under withNoise(), or E_SCOPE.
 *
 * @example
 * ```ts
 * import { dropout, tensor, tensorScope, withNoise } from 'tritune/core'
 *
 * using _scope = tensorScope()
 * const x = tensor([1, 1, 1, 1], { shape: [4, 1] })
 * const y = withNoise({ seed: 1, step: 0 }, () => dropout(x, { p: 0.5, site: 7 }))
 * console.log(y.shape) // → [ 4, 1 ]
 * ```
 */
export function dropout(x: Tensor, options: { readonly p: number; readonly site: number }): Tensor {
  expectTensor('dropout', 'x', x)
  expectOptions('dropout', options)
  const { p, site } = options
  if (p === 0) return reshape(x, x.shape)
  return run(dropoutOp, { x }, { p, rng: noiseKey(site, 0, x.shape.at(-1)) }).y
}
