/**
 * RMSNorm, optionally fused with the residual add in front of it (Zhang & Sennrich 2019, arXiv 1910.07467).
 *
 *   h = x (+ residual)     y = h · rstd · weight     rstd = 1/√(mean(h²) + ε)
 */
import { expectOptions, expectNumber, expectRows } from '../tensor/expect.ts'
import { defineOp, expectDType, type Op, run } from '../tensor/op.ts'
import { expectShape } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { expectNormGradient, normed } from './_norm.ts'

// ---- forward ----------------------------------------------------------------------------------------------------

/** Inputs of the op `rms_norm`, f32 or bf16, all of one dtype; C is the size that is normed over. */
export type RmsNormInputs = {
  readonly x: Tensor // (…, C)
  readonly residual: Tensor | undefined // (…, C)
  readonly weight: Tensor // (C)
}

/**
 * Outputs of the op `rms_norm`: the result, x + residual where there is one, and the statistic that the gradient
 * reads.
 */
export type RmsNormOutputs = {
  readonly y: Tensor // (…, C)
  readonly h: Tensor | null // (…, C), with a residual only
  readonly rstd: Tensor // (rows) f32
}

/** The op `rms_norm`. Use `rmsNorm()`; this is the value that devices implement and `host.explain()` takes. */
export const rmsNormForward: Op<RmsNormInputs, { readonly eps: number }, RmsNormOutputs> = defineOp({
  name: 'rms_norm',
  outputs({ x, residual, weight }, { eps }) {
    expectNumber('rms_norm', 'eps', eps, { min: 0 })
    expectRows('rms_norm x', x.shape)
    expectDType('rms_norm', 'x', x, ['f32', 'bf16'])
    expectDType('rms_norm', 'weight', weight, [x.dtype])
    expectShape('rms_norm weight', weight.shape, [x.shape.at(-1) ?? 1])
    if (residual) expectDType('rms_norm', 'residual', residual, [x.dtype])
    if (residual) expectShape('rms_norm residual', residual.shape, x.shape)
    const like = { shape: x.shape, dtype: x.dtype }
    return { y: like, h: residual ? like : null, rstd: { shape: [x.rows], dtype: 'f32' } }
  },
  reference({ inputs: { x, residual, weight }, params: { eps }, outputs: { y, h, rstd } }) {
    const cols = weight.data.length
    const values = normed(x, residual, h)
    for (let row = 0; row < rstd.data.length; row++) {
      const line = values.subarray(row * cols, (row + 1) * cols)
      const r = 1 / Math.sqrt(line.reduce((sum, value) => sum + value * value, 0) / cols + eps)
      rstd.data[row] = r
      for (let c = 0; c < cols; c++) y.data[row * cols + c] = line[c] * r * weight.data[c]
    }
  },
  saves: ({ residual }) => [residual ? 'h' : 'x', 'weight', 'rstd'],
  gradient({ saved, grads, accumulator }) {
    const dw = accumulator('weight')
    const dy = grads.y
    // Only the residual stream has a gradient: it passes through unchanged.
    if (!dy) return { x: grads.h, residual: grads.h }
    const inputs = {
      dy,
      dh: grads.h,
      h: ('h' in saved && saved.h) || saved.x,
      weight: saved.weight,
      rstd: saved.rstd,
    }
    const { dx } = run(rmsNormBackward, inputs, { wantsDw: dw !== null }, { dw })
    return { x: dx, residual: dx, weight: dw }
  },
  remakes: ['y'],
  remake(saved, params) {
    const x = ('h' in saved && saved.h) || saved.x
    const { y, rstd } = run(rmsNormForward, { x, residual: undefined, weight: saved.weight }, params)
    rstd.dispose()
    return { y }
  },
})

// ---- backward ---------------------------------------------------------------------------------------------------

/** Inputs of the op `rms_norm_backward`: gradients of y and h (both as x), and what the forward pass kept. */
export type RmsNormBackwardInputs = {
  readonly dy: Tensor
  readonly dh: Tensor | undefined
  readonly h: Tensor
  readonly weight: Tensor
  readonly rstd: Tensor
}

/** dx = rstd·(w∘dy − h·rstd²·mean(h∘w∘dy)) (+ dh);  dw += Σ dy∘h·rstd */
export const rmsNormBackward: Op<
  RmsNormBackwardInputs,
  { readonly wantsDw: boolean },
  { readonly dx: Tensor; readonly dw: Tensor | null }
> = defineOp({
  name: 'rms_norm_backward',
  outputs({ dy, dh, h, weight, rstd }, { wantsDw }) {
    expectNormGradient('rms_norm_backward', { dy, dh, h, weight }, { rstd })
    return {
      dx: { shape: h.shape, dtype: h.dtype },
      dw: wantsDw ? { shape: weight.shape, dtype: 'f32' } : null,
    }
  },
  accumulates: ['dw'],
  reference({ inputs: { dy, dh, h, weight, rstd }, outputs: { dx, dw } }) {
    const cols = weight.data.length
    for (let row = 0; row < rstd.data.length; row++) {
      const r = rstd.data[row]
      let dot = 0
      for (let c = 0; c < cols; c++) dot += h.data[row * cols + c] * weight.data[c] * dy.data[row * cols + c]
      for (let c = 0; c < cols; c++) {
        const i = row * cols + c
        dx.data[i] =
          r * (weight.data[c] * dy.data[i] - (h.data[i] * r * r * dot) / cols) + (dh ? dh.data[i] : 0)
        if (dw) dw.data[c] += dy.data[i] * h.data[i] * r
      }
    }
  },
})

// ---- functions --------------------------------------------------------------------------------------------------

/**
 * x (…, C), weight (C) → (…, C). f32 or bf16.
 *
 * @example
 * ```ts
 * import { rmsNorm, tensor, tensorScope } from 'tritune/core'
 *
 * using _scope = tensorScope()
 * const x = tensor([2, -2], { shape: [1, 2] })
 * console.log([...rmsNorm(x, tensor([1, 3]), { eps: 0 }).toArray()]) // → [ 1, -3 ]
 * ```
 */
export function rmsNorm(x: Tensor, weight: Tensor, options: { readonly eps?: number } = {}): Tensor {
  expectOptions('rms_norm', options)
  const { eps = 1e-6 } = options
  const { y, rstd } = run(rmsNormForward, { x, residual: undefined, weight }, { eps })
  rstd.dispose()
  return y
}

/** h = x + residual and y = rmsNorm(h) in one pass; both (…, C). */
export function addRmsNorm(
  x: Tensor,
  residual: Tensor,
  weight: Tensor,
  options: { readonly eps?: number } = {},
): { h: Tensor; y: Tensor } {
  expectOptions('rms_norm', options)
  const { eps = 1e-6 } = options
  const { h, y, rstd } = run(rmsNormForward, { x, residual, weight }, { eps })
  rstd.dispose()
  return { h: h ?? x, y }
}
