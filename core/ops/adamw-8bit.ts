/**
 * AdamW with moments of 8 bits (Dettmers et al. 2022, arXiv 2110.02861): blocks of 256 codes of bitsandbytes' dynamic
 * maps, the first moment signed, the second not. The arithmetic between decoding and coding is that of `adamw`.
 */
import { defineOp, expectDType, type Op, type OpCall, runMany } from '../tensor/op.ts'
import { expectShape } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { dynamicMap } from './_codebooks.ts'
import { type AdamwParams, expectAdamwParams } from './adamw.ts'
import { quantizeBlock8bit } from './quantize-8bit.ts'

/** Elements that share one absmax in the 8-bit moments: 256, as in bitsandbytes. */
export const ADAMW_8BIT_BLOCK = 256

/**
 * Inputs of the op `adamw_8bit`: one parameter, its coded moments and its gradient. All are changed in place but
 * `grad`.
 */
export type Adamw8bitInputs = {
  readonly weight: Tensor // f32 or bf16
  readonly master: Tensor | undefined // f32; then weight is its rounding
  readonly m8: Tensor // u8, shape of weight: codes of the signed map
  readonly v8: Tensor // u8: codes of the unsigned map
  readonly mAbsmax: Tensor // (⌈n/256⌉) f32
  readonly vAbsmax: Tensor
  readonly grad: Tensor // f32
}

/** Outputs of the op `adamw_8bit`: the inputs of the same names, after the step. */
export type Adamw8bitOutputs = {
  readonly weight: Tensor
  readonly master: Tensor | null
  readonly m8: Tensor
  readonly v8: Tensor
  readonly mAbsmax: Tensor
  readonly vAbsmax: Tensor
}

/**
 * Outputs are the inputs of the same name: run it with `into`. An element whose gradient is NaN or Inf keeps its weight
 * and its moments (which are coded again with their block). A negative moment never becomes 0 or positive.
 */
export const adamw8bitOp: Op<Adamw8bitInputs, AdamwParams, Adamw8bitOutputs> = defineOp({
  name: 'adamw_8bit',
  outputs({ weight, master, m8, v8, mAbsmax, vAbsmax, grad }, params) {
    expectAdamwParams('adamw_8bit', params)
    const { shape, dtype } = weight
    expectDType('adamw_8bit', 'weight', weight, ['f32', 'bf16'])
    for (const [name, state] of Object.entries({ master, grad })) {
      if (!state) continue
      expectDType('adamw_8bit', name, state, ['f32'])
      expectShape(`adamw_8bit ${name}`, state.shape, shape)
    }
    for (const [name, codes] of Object.entries({ m8, v8 })) {
      expectDType('adamw_8bit', name, codes, ['u8'])
      expectShape(`adamw_8bit ${name}`, codes.shape, shape)
    }
    const blocks = [Math.ceil(weight.size / ADAMW_8BIT_BLOCK)]
    for (const [name, absmax] of Object.entries({ mAbsmax, vAbsmax })) {
      expectDType('adamw_8bit', name, absmax, ['f32'])
      expectShape(`adamw_8bit ${name}`, absmax.shape, blocks)
    }
    const codes = { shape, dtype: 'u8' } as const
    const absmax = { shape: blocks, dtype: 'f32' } as const
    return {
      weight: { shape, dtype },
      master: master ? { shape, dtype: 'f32' } : null,
      m8: codes,
      v8: codes,
      mAbsmax: absmax,
      vAbsmax: absmax,
    }
  },
  reference({ inputs, params, outputs }) {
    const { lr, beta1, beta2, eps, weightDecay, bias1, bias2, gradScale } = params
    const [signed, unsigned] = [dynamicMap(true), dynamicMap(false)]
    const before = inputs.master ?? inputs.weight
    const n = before.data.length
    for (let first = 0, block = 0; first < n; first += ADAMW_8BIT_BLOCK, block++) {
      const count = Math.min(ADAMW_8BIT_BLOCK, n - first)
      const [m, v] = [new Float64Array(count), new Float64Array(count)]
      for (let j = 0; j < count; j++) {
        const i = first + j
        m[j] = signed[inputs.m8.data[i]] * inputs.mAbsmax.data[block]
        v[j] = unsigned[inputs.v8.data[i]] * inputs.vAbsmax.data[block]
        let w = before.data[i]
        if (Number.isFinite(inputs.grad.data[i])) {
          const g = gradScale * inputs.grad.data[i]
          m[j] = beta1 * m[j] + (1 - beta1) * g
          v[j] = beta2 * v[j] + (1 - beta2) * g * g
          w = w * (1 - lr * weightDecay) - (lr * (m[j] / bias1)) / (Math.sqrt(v[j] / bias2) + eps)
        }
        outputs.weight.data[i] = w
        if (outputs.master) outputs.master.data[i] = w
      }
      const first8 = quantizeBlock8bit(m, true)
      const second8 = quantizeBlock8bit(v, false)
      for (let j = 0; j < count; j++) {
        const code = first8.codes[j]
        outputs.m8.data[first + j] = m[j] < 0 && signed[code] >= 0 ? code - 1 : code
      }
      outputs.v8.data.set(second8.codes, first)
      outputs.mAbsmax.data[block] = first8.absmax
      outputs.vAbsmax.data[block] = second8.absmax
    }
  },
})

/** One parameter as `adamw8bitStep` takes it: shapes and dtypes as in `Adamw8bitInputs`. */
export interface Adamw8bitState {
  readonly weight: Tensor
  /** f32 weights behind bf16 ones, or null. */
  readonly master: Tensor | null
  readonly m8: Tensor
  readonly v8: Tensor
  readonly mAbsmax: Tensor
  readonly vAbsmax: Tensor
  readonly grad: Tensor
}

/** One step of one parameter as a call for `runMany(adamw8bitOp, …)`: everything is updated in place. */
export function adamw8bitCall(
  { weight, master, m8, v8, mAbsmax, vAbsmax, grad }: Adamw8bitState,
  params: AdamwParams,
): OpCall<Adamw8bitInputs, AdamwParams, Adamw8bitOutputs> {
  const into = { weight, master, m8, v8, mAbsmax, vAbsmax }
  return { inputs: { ...into, master: master ?? undefined, grad }, params, into }
}

/** Updates weight, master and moments in place. */
export function adamw8bitStep(state: Adamw8bitState, params: AdamwParams): void {
  runMany(adamw8bitOp, [adamw8bitCall(state, params)])
}
