/**
 * One AdamW step of one parameter, in place (Loshchilov & Hutter 2019, arXiv 1711.05101), in the order of torch.
 *
 *   w −= lr·weightDecay·w     m ← β₁m + (1−β₁)g     v ← β₂v + (1−β₂)g²     w −= lr·(m/bias1)/(√(v/bias2) + ε)
 */
import { expectNumber } from '../tensor/expect.ts'
import { defineOp, expectDType, type Op, type OpCall, run } from '../tensor/op.ts'
import { expectShape } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'

/** Numbers of one AdamW step; they are the same for all elements of a parameter. */
export interface AdamwParams {
  readonly lr: number
  readonly beta1: number
  readonly beta2: number
  readonly eps: number
  readonly weightDecay: number
  /** 1 − β₁ᵗ */
  readonly bias1: number
  /** 1 − β₂ᵗ */
  readonly bias2: number
  /** Multiplies the gradient first: clipping, averaging. */
  readonly gradScale: number
}

/**
 * Inputs of the op `adamw`: one parameter, its moments and its gradient, all of one shape. All are changed in place
 * but `grad`.
 */
export type AdamwInputs = {
  readonly weight: Tensor // f32 or bf16
  readonly master: Tensor | undefined // f32; then weight is its rounding
  readonly m: Tensor // f32
  readonly v: Tensor // f32
  readonly grad: Tensor // f32
}

/** Outputs of the op `adamw`: the inputs of the same names, after the step. */
export type AdamwOutputs = {
  readonly weight: Tensor
  readonly master: Tensor | null
  readonly m: Tensor
  readonly v: Tensor
}

/** Throws E_VALUE for rates that are no numbers: one step with NaN would make every weight NaN. */
export function expectAdamwParams(op: string, params: AdamwParams): void {
  const { lr, beta1, beta2, eps, weightDecay, bias1, bias2, gradScale } = params
  for (const [name, value] of Object.entries({ lr, weightDecay, gradScale })) expectNumber(op, name, value)
  for (const [name, value] of Object.entries({ beta1, beta2 }))
    expectNumber(op, name, value, { min: 0, max: 1, below: true })
  for (const [name, value] of Object.entries({ bias1, bias2 }))
    expectNumber(op, name, value, { min: 0, max: 1, above: true })
  expectNumber(op, 'eps', eps, { min: 0 })
}

/** Outputs are the inputs of the same name: run it with `into`. */
export const adamwOp: Op<AdamwInputs, AdamwParams, AdamwOutputs> = defineOp({
  name: 'adamw',
  outputs({ weight, master, m, v, grad }, params) {
    expectAdamwParams('adamw', params)
    const { shape, dtype } = weight
    expectDType('adamw', 'weight', weight, ['f32', 'bf16'])
    for (const [name, state] of Object.entries({ master, m, v, grad })) {
      if (!state) continue
      expectDType('adamw', name, state, ['f32'])
      expectShape(`adamw ${name}`, state.shape, shape)
    }
    const state = { shape, dtype: 'f32' } as const
    return { weight: { shape, dtype }, master: master ? state : null, m: state, v: state }
  },
  reference({ inputs, params, outputs }) {
    const { lr, beta1, beta2, eps, weightDecay, bias1, bias2, gradScale } = params
    const before = inputs.master ?? inputs.weight
    for (let i = 0; i < before.data.length; i++) {
      const g = gradScale * inputs.grad.data[i]
      const m = beta1 * inputs.m.data[i] + (1 - beta1) * g
      const v = beta2 * inputs.v.data[i] + (1 - beta2) * g * g
      const decayed = before.data[i] * (1 - lr * weightDecay)
      const w = decayed - (lr * (m / bias1)) / (Math.sqrt(v / bias2) + eps)
      outputs.m.data[i] = m
      outputs.v.data[i] = v
      outputs.weight.data[i] = w
      if (outputs.master) outputs.master.data[i] = w
    }
  },
})

/** One parameter as `adamwStep` takes it: shapes and dtypes as in `AdamwInputs`. */
export interface AdamwState {
  readonly weight: Tensor
  /** f32 weights behind bf16 ones, or null. */
  readonly master: Tensor | null
  readonly m: Tensor
  readonly v: Tensor
  readonly grad: Tensor
}

/** One step of one parameter as a call for `runMany(adamwOp, …)`: weight, master, m and v are updated in place. */
export function adamwCall(
  { weight, master, m, v, grad }: AdamwState,
  params: AdamwParams,
): OpCall<AdamwInputs, AdamwParams, AdamwOutputs> {
  return {
    inputs: { weight, master: master ?? undefined, m, v, grad },
    params,
    into: { weight, master, m, v },
  }
}

/** Updates weight, master, m and v in place; all of one shape. */
export function adamwStep(state: AdamwState, params: AdamwParams): void {
  const { inputs, into } = adamwCall(state, params)
  run(adamwOp, inputs, params, into)
}
