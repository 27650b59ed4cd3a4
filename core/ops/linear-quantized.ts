/**
 * linear with a packed, frozen weight, fused with a bias and a LoRA update: QLoRA (Dettmers et al. 2023, arXiv
 * 2305.14314), LLM.int8 (2208.07339) and BitLinear (2402.17764).
 *
 *   nf4, fp4:       y = x·dequantize(W)ᵀ + bias + scale·(drop(x)·Aᵀ)·Bᵀ
 *   int8, ternary:  the same with the rows of x rounded to int8 first, but for outlier columns (int8 only)
 *
 * The rounding of x counts as the identity on the way back, and W has no gradient.
 */
import { noiseKey } from '../tensor/noise.ts'
import { expectOptions, expectDropout, expectNumber } from '../tensor/expect.ts'
import { defineOp, expectDType, type Op, run } from '../tensor/op.ts'
import {
  expectParts,
  isBlockwise,
  type QuantizedFormat,
  type QuantizedParts,
  type QuantizedWeight,
} from '../tensor/quantized-weight.ts'
import { expectShape } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { expectFactors, expectLinearGradient } from './_linear-checks.ts'
import { addBiasAndUpdate } from './_lora-reference.ts'
import { roundActivations, unpackWeight } from './_quantized-reference.ts'
import { addProduct } from './_reference.ts'
import { linearBackward, type LinearOutputs, type LinearParams, type LoraFactors } from './linear.ts'

/**
 * Inputs of the op `linear_quantized`: the parts of the packed weight, x (f32 or bf16), and optionally a bias and the
 * factors of a LoRA.
 */
export type LinearQuantizedInputs = QuantizedParts & {
  readonly x: Tensor // (…, in)
  readonly bias: Tensor | undefined // (out), dtype of x
  readonly loraA: Tensor | undefined // (rank, in) f32
  readonly loraB: Tensor | undefined // (out, rank) f32
}

/** Numbers of the op `linear_quantized`: those of `linear`, the packed form, and the outliers of int8. */
export interface LinearQuantizedParams extends LinearParams {
  readonly format: QuantizedFormat
  /** int8: columns of x with a magnitude of this or more are not rounded; 0: all are. */
  readonly threshold: number
}

/**
 * The op `linear_quantized`. Use `linearQuantized()`; this is the value that devices implement and `host.explain()`
 * takes.
 */
export const linearQuantizedForward: Op<LinearQuantizedInputs, LinearQuantizedParams, LinearOutputs> =
  defineOp({
    name: 'linear_quantized',
    outputs({ x, bias, loraA, loraB, data, scale, nested }, params) {
      const { format } = params
      expectQuantizedParams('linear_quantized', params)
      const [outFeatures, inFeatures] = format.shape
      expectDType('linear_quantized', 'x', x, ['f32', 'bf16'])
      expectParts('linear_quantized weight', format, { data, scale, nested })
      expectShape('linear_quantized x', x.shape, [...x.shape.slice(0, -1), inFeatures])
      if (bias) {
        expectDType('linear_quantized', 'bias', bias, [x.dtype])
        expectShape('linear_quantized bias', bias.shape, [outFeatures])
      }
      expectFactors('linear_quantized', loraA, loraB, format.shape)
      const y = { shape: [...x.shape.slice(0, -1), outFeatures], dtype: x.dtype }
      return { y, xa: loraA ? { shape: [x.rows, loraA.shape[0]], dtype: 'f32' } : null }
    },
    reference({ inputs, params, outputs }) {
      const { format, threshold } = params
      const [outFeatures, inFeatures] = format.shape
      const { x } = inputs
      const weight = unpackWeight(format, inputs)
      const seen = isBlockwise(format.kind)
        ? x.data
        : roundActivations(x.data, inFeatures, format.kind === 'int8' ? threshold : 0)
      const rows = x.data.length / inFeatures
      addProduct(outputs.y.data, seen, weight, { m: rows, n: outFeatures, k: inFeatures, transposeB: true })
      addBiasAndUpdate(inputs, params, outputs)
    },
    saves({ nested, loraA, loraB }) {
      const kept: (keyof LinearQuantizedInputs | keyof LinearOutputs)[] = ['data', 'scale']
      if (nested) kept.push('nested')
      if (loraA?.needsGrad || loraB?.needsGrad) kept.push('x')
      if (loraA) kept.push('loraA', 'loraB', 'xa')
      return kept
    },
    gradient({ saved, params, grads: { y: dy }, needs, accumulator, pending }) {
      if (!dy) return {}
      const before = needs('x') ? pending('x') : null
      const into = {
        dx: before,
        dbias: accumulator('bias'),
        da: accumulator('loraA'),
        db: accumulator('loraB'),
      }
      const inputs = {
        dy,
        x: 'x' in saved ? saved.x : undefined,
        data: saved.data,
        scale: saved.scale,
        nested: 'nested' in saved ? saved.nested : undefined,
        loraA: 'loraA' in saved ? saved.loraA : undefined,
        loraB: 'loraB' in saved ? saved.loraB : undefined,
        xa: ('xa' in saved && saved.xa) || undefined,
      }
      const { dx } = run(
        linearQuantizedBackward,
        inputs,
        {
          ...params,
          wantsDx: needs('x'),
          wantsDbias: into.dbias !== null,
          wantsDa: into.da !== null,
          wantsDb: into.db !== null,
          accumulateDx: before !== null,
        },
        into,
      )
      return { x: dx, bias: into.dbias, loraA: into.da, loraB: into.db }
    },
  })

// ---- backward ---------------------------------------------------------------------------------------------------

/** Inputs of the op `linear_quantized_backward`: the gradient of y (…, out), and what the wanted gradients need. */
export type LinearQuantizedBackwardInputs = QuantizedParts & {
  readonly dy: Tensor
  readonly x: Tensor | undefined // for da
  readonly loraA: Tensor | undefined
  readonly loraB: Tensor | undefined
  readonly xa: Tensor | undefined // for db
}

/** Numbers of the op `linear_quantized_backward`, and which gradients are wanted. The packed weight has none. */
export interface LinearQuantizedBackwardParams extends LinearQuantizedParams {
  readonly wantsDx: boolean
  readonly wantsDbias: boolean
  readonly wantsDa: boolean
  readonly wantsDb: boolean
  /** dx is added to what is there. */
  readonly accumulateDx: boolean
}

/** Outputs of the op `linear_quantized_backward`: dx as x; dbias (out), da (rank, in) and db (out, rank) in f32. */
export type LinearQuantizedBackwardOutputs = {
  readonly dx: Tensor | null
  readonly dbias: Tensor | null
  readonly da: Tensor | null
  readonly db: Tensor | null
}

/** What linearBackward gives for dequantize(W), without dw. */
export const linearQuantizedBackward: Op<
  LinearQuantizedBackwardInputs,
  LinearQuantizedBackwardParams,
  LinearQuantizedBackwardOutputs
> = defineOp({
  name: 'linear_quantized_backward',
  outputs(inputs, params) {
    const { dy, loraA, loraB } = inputs
    const { format, wantsDx, wantsDbias, wantsDa, wantsDb } = params
    expectParts('linear_quantized_backward weight', format, inputs)
    expectQuantizedParams('linear_quantized_backward', params)
    expectLinearGradient('linear_quantized_backward', inputs, format.shape, params)
    const [outFeatures, inFeatures] = format.shape
    return {
      dx: wantsDx ? { shape: [...dy.shape.slice(0, -1), inFeatures], dtype: dy.dtype } : null,
      dbias: wantsDbias ? { shape: [outFeatures], dtype: 'f32' } : null,
      da: wantsDa && loraA ? { shape: loraA.shape, dtype: 'f32' } : null,
      db: wantsDb && loraB ? { shape: loraB.shape, dtype: 'f32' } : null,
    }
  },
  accumulates: ({ accumulateDx }) => (accumulateDx ? ['dx', 'dbias', 'da', 'db'] : ['dbias', 'da', 'db']),
  reference({ inputs, params, outputs }) {
    const { format } = params
    const weight = { data: unpackWeight(format, inputs), shape: format.shape }
    linearBackward.reference({
      inputs: { ...inputs, weight },
      params: { ...params, wantsDw: false },
      outputs: { ...outputs, dw: null },
    })
  },
})

// ---- functions --------------------------------------------------------------------------------------------------

/** Options of `linearQuantized()`: what is added to the product, and int8's outlier columns. */
export interface LinearQuantizedOptions {
  readonly bias?: Tensor
  readonly lora?: LoraFactors
  /** int8 only: see LinearQuantizedParams. Default: that of the weight; bitsandbytes' is 6. */
  readonly threshold?: number
}

/**
 * x (…, in) f32 or bf16, weight (out, in) packed → (…, out). Gradients of x, bias and the factors.
 *
 * @example
 * ```ts
 * import { linearQuantized, quantize4bit, tensor, zeros } from 'tritune/core'
 *
 * using weight = zeros([8, 64])
 * using packed = quantize4bit(weight)
 * using x = tensor(new Float32Array(64).fill(1), { shape: [1, 64] })
 * using y = linearQuantized(x, packed)
 * console.log(y.shape) // → [ 1, 8 ]
 * ```
 */
export function linearQuantized(
  x: Tensor,
  weight: QuantizedWeight,
  options: LinearQuantizedOptions = {},
): Tensor {
  expectOptions('linear_quantized', weight)
  const { parts } = weight
  expectOptions('linear_quantized', options)
  const { bias, lora, threshold = weight.threshold } = options
  const dropout = lora?.dropout ?? 0
  const { y, xa } = run(
    linearQuantizedForward,
    { x, ...parts, bias, loraA: lora?.a, loraB: lora?.b },
    {
      format: weight,
      threshold,
      scale: lora?.scale ?? 0,
      dropout,
      rng: dropout > 0 ? noiseKey(lora?.site ?? 0, 0, x.shape.at(-1)) : null,
    },
  )
  xa?.dispose()
  return y
}

// ---- checks -----------------------------------------------------------------------------------------------------

function expectQuantizedParams(
  op: string,
  { format, scale, dropout, rng, threshold }: LinearQuantizedParams,
): void {
  expectNumber(op, 'offset', format.offset)
  expectNumber(op, 'scale', scale)
  expectDropout(op, dropout, rng)
  expectNumber(op, 'threshold', threshold, { min: 0 })
}
