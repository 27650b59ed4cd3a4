/**
 * RMSprop, as torch.optim.RMSprop: weight decay is added to the gradient.
 *
 *   v ← αv + (1 − α)g²     u = g / (√v + ε), centered: g / (√(v − ḡ²) + ε)     b ← momentum·b + u     w ← w − lr·b
 */
import {
  add,
  addTo,
  affine,
  decimal,
  defineOptions,
  div,
  flag,
  type GradientTransform,
  optional,
  sqrt,
  square,
  sub,
  type TransformDefinition,
} from '../../core/mod.ts'
import { elementwise, type WeightDecay } from './elementwise.ts'
import { average, scaleInto } from './flat-parameters.ts'

/** Options of `rmsprop()`, as of torch.optim.RMSprop. */
export interface RmspropOptions extends WeightDecay {
  readonly alpha?: number
  readonly eps?: number
  readonly momentum?: number
  /** Divide by the deviation from the mean gradient; one more state. */
  readonly centered?: boolean
}

/**
 * RMSprop as the last link of a chain.
 *
 * @example
 * ```ts
 * import { backward, mul, parameter, sum, tensor, tensorScope } from 'tritune/core'
 * import { rmsprop } from 'tritune/plugins/optim'
 *
 * using _scope = tensorScope()
 * const w = parameter(tensor([1]))
 * using optimizer = rmsprop().init(new Map([['w', w]]))
 * backward(sum(mul(w, w)))
 * optimizer.apply({ step: 1, learningRate: 0.01, gradScale: 1, metrics: {} })
 * console.log(w.item() < 1) // → true
 * ```
 */
export function rmsprop({
  alpha = 0.99,
  eps = 1e-8,
  momentum = 0,
  centered = false,
  ...decay
}: RmspropOptions = {}): GradientTransform {
  return elementwise({
    ...decay,
    name: 'rmsprop',
    states: ['v', ...(momentum > 0 ? ['b'] : []), ...(centered ? ['mean'] : [])],
    decay: 'coupled',
    direction(gradient, { v, b, mean }) {
      average(v, square(gradient), alpha)
      if (centered) average(mean, affine(gradient), alpha)
      const spread = centered ? sub(v, square(mean)) : v
      const update = div(gradient, add(sqrt(spread), eps))
      if (momentum === 0) return update
      scaleInto(b, momentum)
      addTo(b, update)
      return affine(b)
    },
  })
}

/** `optim_args` of `optimizer: rmsprop`, as of torch.optim.RMSprop. */
export interface RmspropFields {
  readonly alpha: number
  readonly eps: number
  readonly momentum: number
  readonly centered: boolean
}

export const rmspropDefinition: TransformDefinition<RmspropFields> = {
  name: 'rmsprop',
  divides: 'elements',
  options: defineOptions({
    alpha: optional(decimal({ min: 0, below: 1 }), 0.99),
    eps: optional(decimal({ above: 0 }), 1e-8),
    momentum: optional(decimal({ min: 0, below: 1 }), 0),
    centered: optional(flag(), false),
  }),
  create: (options, { weightDecay, decays }) => rmsprop({ ...options, weightDecay, decays }),
}
