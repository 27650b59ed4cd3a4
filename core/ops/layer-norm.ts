/**
 * LayerNorm, optionally fused with the residual add in front of it (Ba, Kiros & Hinton 2016, arXiv 1607.06450).
 *
 *   h = x (+ residual)     n = (h − mean)·rstd     y = n·weight + bias     rstd = 1/√(var(h) + ε)
 */
import { expectOptions, expectNumber, expectRows } from '../tensor/expect.ts'
import { defineOp, expectDType, type Op, run } from '../tensor/op.ts'
import { expectShape } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { expectNormGradient, normed } from './_norm.ts'

// ---- forward ----------------------------------------------------------------------------------------------------

/** Inputs of the op `layer_norm`, f32 or bf16, all of one dtype; C is the size that is normed over. */
export type LayerNormInputs = {
  readonly x: Tensor // (…, C)
  readonly residual: Tensor | undefined // (…, C)
  readonly weight: Tensor // (C)
  readonly bias: Tensor | undefined // (C)
}

/**
 * Outputs of the op `layer_norm`: the result, x + residual where there is one, and the statistics that the gradient
 * reads.
 */
export type LayerNormOutputs = {
  readonly y: Tensor // (…, C)
  readonly h: Tensor | null // (…, C), with a residual only
  readonly mean: Tensor // (rows) f32
  readonly rstd: Tensor // (rows) f32
}

/** The op `layer_norm`. Use `layerNorm()`; this is the value that devices implement and `host.explain()` takes. */
export const layerNormForward: Op<LayerNormInputs, { readonly eps: number }, LayerNormOutputs> = defineOp({
  name: 'layer_norm',
  outputs({ x, residual, weight, bias }, { eps }) {
    expectNumber('layer_norm', 'eps', eps, { min: 0 })
    expectRows('layer_norm x', x.shape)
    expectDType('layer_norm', 'x', x, ['f32', 'bf16'])
    expectDType('layer_norm', 'weight', weight, [x.dtype])
    expectShape('layer_norm weight', weight.shape, [x.shape.at(-1) ?? 1])
    if (bias) expectDType('layer_norm', 'bias', bias, [x.dtype])
    if (bias) expectShape('layer_norm bias', bias.shape, weight.shape)
    if (residual) expectDType('layer_norm', 'residual', residual, [x.dtype])
    if (residual) expectShape('layer_norm residual', residual.shape, x.shape)
    const like = { shape: x.shape, dtype: x.dtype }
    const statistic = { shape: [x.rows], dtype: 'f32' } as const
    return { y: like, h: residual ? like : null, mean: statistic, rstd: statistic }
  },
  reference({ inputs: { x, residual, weight, bias }, params: { eps }, outputs: { y, h, mean, rstd } }) {
    const cols = weight.data.length
    const values = normed(x, residual, h)
    for (let row = 0; row < rstd.data.length; row++) {
      const line = values.subarray(row * cols, (row + 1) * cols)
      const mu = line.reduce((a, b) => a + b, 0) / cols
      const variance = line.reduce((a, b) => a + (b - mu) ** 2, 0) / cols
      const r = 1 / Math.sqrt(variance + eps)
      mean.data[row] = mu
      rstd.data[row] = r
      for (let c = 0; c < cols; c++)
        y.data[row * cols + c] = (line[c] - mu) * r * weight.data[c] + (bias ? bias.data[c] : 0)
    }
  },
  saves: ({ residual }) => [residual ? 'h' : 'x', 'weight', 'mean', 'rstd'],
  gradient({ saved, grads, accumulator }) {
    const dw = accumulator('weight')
    const db = accumulator('bias')
    const dy = grads.y
    // Only the residual stream has a gradient: it passes through unchanged.
    if (!dy) return { x: grads.h, residual: grads.h }
    const inputs = {
      dy,
      dh: grads.h,
      h: ('h' in saved && saved.h) || saved.x,
      weight: saved.weight,
      mean: saved.mean,
      rstd: saved.rstd,
    }
    const { dx } = run(layerNormBackward, inputs, { wantsDw: dw !== null, wantsDb: db !== null }, { dw, db })
    return { x: dx, residual: dx, weight: dw, bias: db }
  },
})

// ---- backward ---------------------------------------------------------------------------------------------------

/** Inputs of the op `layer_norm_backward`: gradients of y and h (both as x), and what the forward pass kept. */
export type LayerNormBackwardInputs = {
  readonly dy: Tensor
  readonly dh: Tensor | undefined
  readonly h: Tensor
  readonly weight: Tensor
  readonly mean: Tensor
  readonly rstd: Tensor
}

/** g = w∘dy: dx = rstd·(g − mean(g) − n·mean(g∘n)) (+ dh);  dw += Σ dy∘n;  db += Σ dy */
export const layerNormBackward: Op<
  LayerNormBackwardInputs,
  { readonly wantsDw: boolean; readonly wantsDb: boolean },
  { readonly dx: Tensor; readonly dw: Tensor | null; readonly db: Tensor | null }
> = defineOp({
  name: 'layer_norm_backward',
  outputs({ dy, dh, h, weight, mean, rstd }, { wantsDw, wantsDb }) {
    expectNormGradient('layer_norm_backward', { dy, dh, h, weight }, { mean, rstd })
    return {
      dx: { shape: h.shape, dtype: h.dtype },
      dw: wantsDw ? { shape: weight.shape, dtype: 'f32' } : null,
      db: wantsDb ? { shape: weight.shape, dtype: 'f32' } : null,
    }
  },
  accumulates: ['dw', 'db'],
  reference({ inputs: { dy, dh, h, weight, mean, rstd }, outputs: { dx, dw, db } }) {
    const cols = weight.data.length
    for (let row = 0; row < rstd.data.length; row++) {
      const r = rstd.data[row]
      const normed = (c: number): number => (h.data[row * cols + c] - mean.data[row]) * r
      let sum = 0
      let dot = 0
      for (let c = 0; c < cols; c++) {
        const g = weight.data[c] * dy.data[row * cols + c]
        sum += g
        dot += g * normed(c)
      }
      for (let c = 0; c < cols; c++) {
        const i = row * cols + c
        dx.data[i] =
          r * (weight.data[c] * dy.data[i] - sum / cols - (normed(c) * dot) / cols) + (dh ? dh.data[i] : 0)
        if (dw) dw.data[c] += dy.data[i] * normed(c)
        if (db) db.data[c] += dy.data[i]
      }
    }
  },
})

// ---- functions --------------------------------------------------------------------------------------------------

/**
 * x (…, C), weight (C), bias (C) or null → (…, C). f32 or bf16.
 *
 * @example
 * ```ts
 * import { layerNorm, tensor, tensorScope } from 'tritune/core'
 *
 * using _scope = tensorScope()
 * const x = tensor([1, 3], { shape: [1, 2] })
 * console.log([...layerNorm(x, tensor([1, 1]), null, { eps: 0 }).toArray()]) // → [ -1, 1 ]
 * ```
 */
export function layerNorm(
  x: Tensor,
  weight: Tensor,
  bias: Tensor | null = null,
  options: { readonly eps?: number } = {},
): Tensor {
  expectOptions('layer_norm', options)
  const { eps = 1e-5 } = options
  const inputs = { x, residual: undefined, weight, bias: bias ?? undefined }
  const { y, mean, rstd } = run(layerNormForward, inputs, { eps })
  mean.dispose()
  rstd.dispose()
  return y
}

/** h = x + residual and y = layerNorm(h) in one pass; both (…, C). */
export function addLayerNorm(
  x: Tensor,
  residual: Tensor,
  weight: Tensor,
  bias: Tensor | null = null,
  { eps = 1e-5 }: { readonly eps?: number } = {},
): { h: Tensor; y: Tensor } {
  const { h, y, mean, rstd } = run(
    layerNormForward,
    { x, residual, weight, bias: bias ?? undefined },
    { eps },
  )
  mean.dispose()
  rstd.dispose()
  return { h: h ?? x, y }
}
