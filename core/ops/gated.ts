/**
 * Gated activations of MLPs (Shazeer 2020, arXiv 2002.05202): f(gate)·up with f = SiLU or GELU.
 */
import { expectOptions, expectKnown } from '../tensor/expect.ts'
import { defineOp, expectDType, type Op, run } from '../tensor/op.ts'
import { expectShape } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { type Curve, geluErf, geluTanh, silu } from './_activations.ts'
import type { GeluOptions } from './unary.ts'

/** Inputs of the op `gated`: two tensors of one shape, f32 or bf16. */
export type GatedInputs = {
  readonly gate: Tensor
  readonly up: Tensor // as gate
}

/** The activation of the gate: SiLU, GELU by erf, or GELU by its tanh approximation. */
export type GatedFunction = 'silu' | 'gelu_erf' | 'gelu_tanh'

/** Numbers of the op `gated`: which activation it is. */
export interface GatedParams {
  readonly f: GatedFunction
}

const CURVES: { readonly [F in GatedFunction]: Curve } = { silu, gelu_erf: geluErf, gelu_tanh: geluTanh }

/** The op `gated`: h = f(gate)·up, shape and dtype of gate. Use `swiglu()` and `geglu()`. */
export const gatedForward: Op<GatedInputs, GatedParams, { readonly h: Tensor }> = defineOp({
  name: 'gated',
  outputs({ gate, up }, { f }) {
    expectKnown('gated', 'f', f, CURVES)
    expectDType('gated', 'gate', gate, ['f32', 'bf16'])
    expectDType('gated', 'up', up, [gate.dtype])
    expectShape('gated up', up.shape, gate.shape)
    return { h: { shape: gate.shape, dtype: gate.dtype } }
  },
  reference({ inputs: { gate, up }, params: { f }, outputs: { h } }) {
    const { value } = CURVES[f]
    for (let i = 0; i < h.data.length; i++) h.data[i] = value(gate.data[i]) * up.data[i]
  },
  saves: ['gate', 'up'],
  gradient({ saved: { gate, up }, params, grads: { h: dh } }) {
    if (!dh) return {}
    const { dgate, dup } = run(gatedBackward, { dh, gate, up }, params)
    return { gate: dgate, up: dup }
  },
  remakes: ['h'],
  remake: ({ gate, up }, params) => run(gatedForward, { gate, up }, params),
})

/** The op `gated_backward`: dgate = dh·up·f′(gate);  dup = dh·f(gate). */
export const gatedBackward: Op<
  GatedInputs & { readonly dh: Tensor },
  GatedParams,
  { readonly dgate: Tensor; readonly dup: Tensor }
> = defineOp({
  name: 'gated_backward',
  outputs({ dh, gate, up }, { f }) {
    expectKnown('gated_backward', 'f', f, CURVES)
    expectDType('gated_backward', 'gate', gate, ['f32', 'bf16'])
    for (const [name, one] of Object.entries({ dh, up })) {
      expectDType('gated_backward', name, one, [gate.dtype])
      expectShape(`gated_backward ${name}`, one.shape, gate.shape)
    }
    const like = { shape: gate.shape, dtype: gate.dtype }
    return { dgate: like, dup: like }
  },
  reference({ inputs: { dh, gate, up }, params: { f }, outputs: { dgate, dup } }) {
    const { value, slope } = CURVES[f]
    for (let i = 0; i < dh.data.length; i++) {
      dgate.data[i] = dh.data[i] * up.data[i] * slope(gate.data[i])
      dup.data[i] = dh.data[i] * value(gate.data[i])
    }
  },
})

/**
 * silu(gate)·up; same shapes, f32 or bf16 (arXiv 2002.05202).
 *
 * @example
 * ```ts
 * import { swiglu, tensor, tensorScope } from 'tritune/core'
 *
 * using _scope = tensorScope()
 * console.log([...swiglu(tensor([0, 0]), tensor([1, 2])).toArray()]) // → [ 0, 0 ]
 * ```
 */
export function swiglu(gate: Tensor, up: Tensor): Tensor {
  return run(gatedForward, { gate, up }, { f: 'silu' }).h
}

/** gelu(gate)·up; same shapes, f32 or bf16 (arXiv 2002.05202). */
export function geglu(gate: Tensor, up: Tensor, options: GeluOptions = {}): Tensor {
  expectOptions('geglu', options)
  const { approximate = 'none' } = options
  return run(gatedForward, { gate, up }, { f: approximate === 'tanh' ? 'gelu_tanh' : 'gelu_erf' }).h
}
