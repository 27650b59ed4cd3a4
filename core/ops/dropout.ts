/**
 * dropout (Srivastava et al. 2014) keyed by (seed, step, site, element): no mask is stored, the gradient makes it again.
 */
import { dropoutFactors, noiseKey } from '../tensor/noise.ts'
import { expectOptions, expectDropout, expectKey } from '../tensor/expect.ts'
import { expectTensor, defineOp, expectDType, type Op, run } from '../tensor/op.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { reshape } from './movement.ts'

export interface DropoutParams {
  readonly p: number
  readonly rng: Uint32Array<ArrayBuffer>
}

/** y = x·mask/(1 − p) */
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

/** Drops each element with probability p (0 ≤ p < 1). `site` = siteOf(path); under withNoise(), or E_SCOPE. */
export function dropout(x: Tensor, options: { readonly p: number; readonly site: number }): Tensor {
  expectTensor('dropout', 'x', x)
  expectOptions('dropout', options)
  const { p, site } = options
  if (p === 0) return reshape(x, x.shape)
  return run(dropoutOp, { x }, { p, rng: noiseKey(site, 0, x.shape.at(-1)) }).y
}
