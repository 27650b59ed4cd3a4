/**
 * linear: x·Wᵀ + bias, fused with a LoRA update (Hu et al. 2021, arXiv 2106.09685) whose factors stay f32.
 *
 *   y = x·Wᵀ + bias + scale·(drop(x)·Aᵀ)·Bᵀ
 */
import { dropoutFactors, noiseKey } from '../tensor/noise.ts'
import { expectOptions, expectDropout, expectFeatures, expectNumber, expectRank } from '../tensor/expect.ts'
import { defineOp, expectDType, type Op, run } from '../tensor/op.ts'
import { expectShape } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { expectFactors, expectLinearGradient } from './_linear-checks.ts'
import { addBiasAndUpdate, multiplied } from './_lora-reference.ts'
import { addProduct } from './_reference.ts'

/** Inputs of the op `linear`: x and the weight (f32 or bf16), and optionally a bias and the factors of a LoRA. */
export type LinearInputs = {
  readonly x: Tensor // (…, in)
  readonly weight: Tensor // (out, in), dtype of x
  readonly bias: Tensor | undefined // (out), dtype of x
  readonly loraA: Tensor | undefined // (rank, in) f32
  readonly loraB: Tensor | undefined // (out, rank) f32
}

/** Numbers of the op `linear`; all of them belong to the LoRA update. */
export interface LinearParams {
  /** Of the LoRA update: alpha / rank. */
  readonly scale: number
  readonly dropout: number
  /** Key of the dropout mask; null when nothing is dropped. */
  readonly rng: Uint32Array<ArrayBuffer> | null
}

/** Outputs of the op `linear`: the result, and the inner product of the LoRA, which its gradient reads. */
export type LinearOutputs = {
  readonly y: Tensor // (…, out)
  readonly xa: Tensor | null // (rows, rank) f32 = drop(x)·Aᵀ
}

/** The op `linear`. Use `linear()`; this is the value that devices implement and `host.explain()` takes. */
export const linearForward: Op<LinearInputs, LinearParams, LinearOutputs> = defineOp({
  name: 'linear',
  outputs({ x, weight, bias, loraA, loraB }, { scale, dropout, rng }) {
    const { rows } = x
    expectNumber('linear', 'scale', scale)
    expectDropout('linear', dropout, rng)
    const outFeatures = weight.shape[0]
    expectDType('linear', 'x', x, ['f32', 'bf16'])
    expectDType('linear', 'weight', weight, [x.dtype])
    expectShape('linear weight', weight.shape, [outFeatures, x.shape.at(-1) ?? 1])
    expectFeatures('linear weight', weight.shape)
    if (bias) {
      expectDType('linear', 'bias', bias, [x.dtype])
      expectShape('linear bias', bias.shape, [outFeatures])
    }
    expectFactors('linear', loraA, loraB, weight.shape)
    const y = { shape: [...x.shape.slice(0, -1), outFeatures], dtype: x.dtype }
    return { y, xa: loraA ? { shape: [rows, loraA.shape[0]], dtype: 'f32' } : null }
  },
  reference({ inputs: { x, weight, bias, loraA, loraB }, params, outputs: { y, xa } }) {
    const [outFeatures, inFeatures] = weight.shape
    const rows = x.data.length / inFeatures
    addProduct(y.data, x.data, weight.data, { m: rows, n: outFeatures, k: inFeatures, transposeB: true })
    addBiasAndUpdate({ x, bias, loraA, loraB }, params, { y, xa })
  },
  saves({ weight, loraA, loraB }) {
    const kept: (keyof LinearInputs | keyof LinearOutputs)[] = ['weight']
    if (weight.needsGrad || loraA?.needsGrad || loraB?.needsGrad) kept.push('x')
    if (loraA) kept.push('loraA', 'loraB', 'xa')
    return kept
  },
  gradient({ saved, params, grads: { y: dy }, needs, accumulator, pending }) {
    if (!dy) return {}
    const before = needs('x') ? pending('x') : null
    const into = {
      dx: before,
      dw: accumulator('weight'),
      dbias: accumulator('bias'),
      da: accumulator('loraA'),
      db: accumulator('loraB'),
    }
    const inputs = {
      dy,
      x: 'x' in saved ? saved.x : undefined,
      weight: saved.weight,
      loraA: 'loraA' in saved ? saved.loraA : undefined,
      loraB: 'loraB' in saved ? saved.loraB : undefined,
      xa: ('xa' in saved && saved.xa) || undefined,
    }
    const { dx } = run(
      linearBackward,
      inputs,
      {
        ...params,
        wantsDx: needs('x'),
        wantsDw: into.dw !== null,
        wantsDbias: into.dbias !== null,
        wantsDa: into.da !== null,
        wantsDb: into.db !== null,
        accumulateDx: before !== null,
      },
      into,
    )
    return { x: dx, weight: into.dw, bias: into.dbias, loraA: into.da, loraB: into.db }
  },
})

// ---- backward ---------------------------------------------------------------------------------------------------

/** Inputs of the op `linear_backward`: the gradient of y (…, out), and what the wanted gradients need. */
export type LinearBackwardInputs = {
  readonly dy: Tensor
  readonly x: Tensor | undefined // for dw and da
  readonly weight: Tensor
  readonly loraA: Tensor | undefined
  readonly loraB: Tensor | undefined
  readonly xa: Tensor | undefined // for db
}

/** Numbers of the op `linear_backward`, and which gradients are wanted. */
export interface LinearBackwardParams extends LinearParams {
  readonly wantsDx: boolean
  readonly wantsDw: boolean
  readonly wantsDbias: boolean
  readonly wantsDa: boolean
  readonly wantsDb: boolean
  /** dx is added to what is there. */
  readonly accumulateDx: boolean
}

/** Outputs of the op `linear_backward`: dx as x; dw (out, in), dbias (out), da (rank, in) and db (out, rank) in f32. */
export type LinearBackwardOutputs = {
  readonly dx: Tensor | null
  readonly dw: Tensor | null
  readonly dbias: Tensor | null
  readonly da: Tensor | null
  readonly db: Tensor | null
}

/** dx = dy·W + drop∘(scale·dy·B·A);  dW += dyᵀ·x;  dbias += Σ dy;  dA += (scale·dy·B)ᵀ·drop(x);  dB += scale·dyᵀ·xa */
export const linearBackward: Op<LinearBackwardInputs, LinearBackwardParams, LinearBackwardOutputs> = defineOp(
  {
    name: 'linear_backward',
    outputs(inputs, params) {
      const { dy, weight, loraA, loraB } = inputs
      const { wantsDx, wantsDw, wantsDbias, wantsDa, wantsDb } = params
      expectDType('linear_backward', 'weight', weight, [dy.dtype])
      expectRank('linear_backward weight', weight.shape, 2)
      expectFeatures('linear_backward weight', weight.shape)
      expectLinearGradient('linear_backward', inputs, weight.shape, params)
      const [outFeatures, inFeatures] = weight.shape
      return {
        dx: wantsDx ? { shape: [...dy.shape.slice(0, -1), inFeatures], dtype: dy.dtype } : null,
        dw: wantsDw ? { shape: weight.shape, dtype: 'f32' } : null,
        dbias: wantsDbias ? { shape: [outFeatures], dtype: 'f32' } : null,
        da: wantsDa && loraA ? { shape: loraA.shape, dtype: 'f32' } : null,
        db: wantsDb && loraB ? { shape: loraB.shape, dtype: 'f32' } : null,
      }
    },
    accumulates: ({ accumulateDx }) =>
      accumulateDx ? ['dx', 'dw', 'dbias', 'da', 'db'] : ['dw', 'dbias', 'da', 'db'],
    reference({ inputs: { dy, x, weight, loraA, loraB, xa }, params, outputs: { dx, dw, dbias, da, db } }) {
      const [outFeatures, inFeatures] = weight.shape
      const rows = dy.data.length / outFeatures
      const { scale } = params
      if (dx) addProduct(dx.data, dy.data, weight.data, { m: rows, n: inFeatures, k: outFeatures })
      if (dw && x)
        addProduct(dw.data, dy.data, x.data, { m: outFeatures, n: inFeatures, k: rows, transposeA: true })
      if (dbias) for (let i = 0; i < dy.data.length; i++) dbias.data[i % outFeatures] += dy.data[i]
      if (!loraA || !loraB) return
      const rank = loraA.shape[0]
      if (db && xa)
        addProduct(db.data, dy.data, xa.data, { m: outFeatures, n: rank, k: rows, transposeA: true, scale })
      const dxa = new Float64Array(rows * rank)
      addProduct(dxa, dy.data, loraB.data, { m: rows, n: rank, k: outFeatures, scale })
      const factors = dropoutFactors(params.rng, rows * inFeatures, params.dropout)
      if (da && x) {
        const dropped = multiplied(x.data, factors)
        addProduct(da.data, dxa, dropped, { m: rank, n: inFeatures, k: rows, transposeA: true })
      }
      if (!dx) return
      const update = new Float64Array(rows * inFeatures)
      addProduct(update, dxa, loraA.data, { m: rows, n: inFeatures, k: rank })
      const kept = multiplied(update, factors)
      for (let i = 0; i < kept.length; i++) dx.data[i] += kept[i]
    },
  },
)

// ---- functions --------------------------------------------------------------------------------------------------

/** The LoRA update that `linear()` adds to its product: scale·(drop(x)·Aᵀ)·Bᵀ (arXiv 2106.09685). */
export interface LoraFactors {
  readonly a: Tensor // (rank, in) f32
  readonly b: Tensor // (out, rank) f32
  /** alpha / rank */
  readonly scale: number
  /** Share of x that the update does not see; needs `site` and withNoise(). */
  readonly dropout?: number
  /** Where in the model this is: siteOf(path). */
  readonly site?: number
}

/**
 * x (…, in), weight (out, in) → (…, out). f32 or bf16; gradients of weight, bias and factors are f32.
 *
 * @example
 * ```ts
 * import { linear, tensor, tensorScope } from 'tritune/core'
 *
 * using _scope = tensorScope()
 * const x = tensor([1, 2], { shape: [1, 2] })
 * const weight = tensor([1, 0, 0, 1, 1, 1], { shape: [3, 2] }) // (out, in)
 * console.log([...linear(x, weight, { bias: tensor([0, 0, 10]) }).toArray()]) // → [ 1, 2, 13 ]
 * ```
 */
export function linear(
  x: Tensor,
  weight: Tensor,
  options: { readonly bias?: Tensor; readonly lora?: LoraFactors } = {},
): Tensor {
  expectOptions('linear', options)
  const { bias, lora } = options
  const dropout = lora?.dropout ?? 0
  const { y, xa } = run(
    linearForward,
    { x, weight, bias, loraA: lora?.a, loraB: lora?.b },
    {
      scale: lora?.scale ?? 0,
      dropout,
      rng: dropout > 0 ? noiseKey(lora?.site ?? 0, 0, x.shape.at(-1)) : null,
    },
  )
  xa?.dispose()
  return y
}
