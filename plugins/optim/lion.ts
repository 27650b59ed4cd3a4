/**
 * Lion (Chen et al. 2023, arXiv 2302.06675), as lion-pytorch and bitsandbytes compute it: every weight moves by the learning rate, up
 * or down.
 *
 *   u = β₁m + (1 − β₁)g     w ← w·(1 − lr·weightDecay) − lr·sign(u)     m ← β₂m + (1 − β₂)g
 */
import {
  abs,
  addTo,
  affine,
  affineOp,
  decimal,
  defineOptions,
  type GradientTransform,
  div,
  optional,
  run,
  type Tensor,
  type TransformDefinition,
} from '../../core/mod.ts'
import { elementwise, type WeightDecay } from './elementwise.ts'
import { average } from './flat-parameters.ts'

/** Options of `lion()`; the defaults of β₁ and β₂ are 0.9 and 0.99, and nothing decays. */
export interface LionOptions extends WeightDecay {
  readonly beta1?: number
  readonly beta2?: number
  /** The moment takes 4 bytes an element, or about 1, as in bitsandbytes. */
  readonly states?: 'f32' | '8bit'
  /** With 8-bit states: smaller parameters keep an f32 one, as in bitsandbytes. */
  readonly smallest8bit?: number
  /** Elements of a parameter of which a part is given; default: all are. */
  readonly sizeOf?: ((name: string) => number | undefined) | undefined
}

/**
 * Lion as the last link of a chain. Its state is one moment for each element, half of AdamW's.
 *
 * @example
 * ```ts
 * import { backward, mul, parameter, sum, tensor, tensorScope } from 'tritune/core'
 * import { lion } from 'tritune/plugins/optim'
 *
 * using _scope = tensorScope()
 * const w = parameter(tensor([1]))
 * using optimizer = lion().init(new Map([['w', w]]))
 * backward(sum(mul(w, w)))
 * optimizer.apply({ step: 1, learningRate: 0.25, gradScale: 1, metrics: {} })
 * console.log(w.item()) // → 0.75
 * ```
 */
export function lion({
  beta1 = 0.9,
  beta2 = 0.99,
  states = 'f32',
  smallest8bit = 4096,
  ...decay
}: LionOptions = {}): GradientTransform {
  return elementwise({
    ...decay,
    name: 'lion',
    states: ['m'],
    decay: 'decoupled',
    ...(states === '8bit' ? { smallest8bit } : {}),
    direction(gradient, { m }) {
      const u = affine(m, { scale: beta1 })
      addTo(u, affine(gradient, { scale: 1 - beta1 }))
      average(m, gradient, beta2)
      return signs(u)
    },
  })
}

/** Options of `optimizer: lion_*` in a run's file: the `adam_beta*` keys, or `optim_args`. */
export interface LionFields {
  readonly beta1: number
  readonly beta2: number
}

/** `lion` and, with moments of 8 bits, `lion_8bit`. */
export function lionDefinition(name: string, states: LionOptions['states']): TransformDefinition<LionFields> {
  return {
    name,
    divides: 'elements',
    options: defineOptions({
      beta1: optional(decimal({ min: 0, below: 1 }), 0.9),
      beta2: optional(decimal({ min: 0, below: 1 }), 0.99),
    }),
    create: (options, { weightDecay, decays, sizeOf }) =>
      lion({ ...options, states, weightDecay, decays, sizeOf }),
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Absorbed by every |x| above 1e-30, whose sign is then exact; 0 stays 0. */
const TINY = 1e-38

/** −1, 0 or 1. */
function signs(x: Tensor): Tensor {
  const size = abs(x)
  run(affineOp, { x: size }, { scale: 1, shift: TINY }, { y: size })
  return div(x, size)
}
