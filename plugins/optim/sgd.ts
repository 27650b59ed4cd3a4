/**
 * Stochastic gradient descent with momentum, as torch.optim.SGD: weight decay is added to the gradient.
 *
 *   g ← g + weightDecay·w     v ← momentum·v + (1 − dampening)·g (the first v is g)     w ← w − lr·(nesterov ? g + momentum·v : v)
 */
import {
  add,
  addTo,
  affine,
  decimal,
  defineOptions,
  flag,
  type GradientTransform,
  optional,
  type TransformDefinition,
  TrituneError,
} from '../../core/mod.ts'
import { elementwise, type WeightDecay } from './elementwise.ts'
import { scaleInto } from './flat-parameters.ts'

/** Options of `sgd()`, as of torch.optim.SGD: without momentum there is no state. */
export interface SgdOptions extends WeightDecay {
  readonly momentum?: number
  readonly dampening?: number
  readonly nesterov?: boolean
}

/**
 * SGD as the last link of a chain. Throws E_VALUE for Nesterov's momentum without momentum, or with dampening.
 *
 * @example
 * ```ts
 * import { backward, mul, parameter, sum, tensor, tensorScope } from 'tritune/core'
 * import { sgd } from 'tritune/plugins/optim'
 *
 * using _scope = tensorScope()
 * const w = parameter(tensor([1]))
 * using optimizer = sgd({ momentum: 0.9 }).init(new Map([['w', w]]))
 * backward(sum(mul(w, w)))
 * optimizer.apply({ step: 1, learningRate: 0.25, gradScale: 1, metrics: {} })
 * console.log(w.item()) // → 0.5
 * ```
 */
export function sgd({
  momentum = 0,
  dampening = 0,
  nesterov = false,
  ...decay
}: SgdOptions = {}): GradientTransform {
  if (nesterov && (momentum === 0 || dampening !== 0))
    throw new TrituneError('E_VALUE', 'sgd: nesterov needs a momentum and no dampening')
  return elementwise({
    ...decay,
    name: 'sgd',
    states: momentum === 0 ? [] : ['v'],
    decay: 'coupled',
    direction(gradient, { v }, { step }) {
      if (momentum === 0) return gradient
      scaleInto(v, momentum)
      addTo(v, step === 1 ? gradient : affine(gradient, { scale: 1 - dampening }))
      return nesterov ? add(gradient, affine(v, { scale: momentum })) : affine(v)
    },
  })
}

/** `optim_args` of `optimizer: sgd`, as of torch.optim.SGD. */
export interface SgdFields {
  readonly momentum: number
  readonly dampening: number
  readonly nesterov: boolean
}

export const sgdDefinition: TransformDefinition<SgdFields> = {
  name: 'sgd',
  divides: 'elements',
  options: defineOptions<SgdFields>(
    {
      momentum: optional(decimal({ min: 0, below: 1 }), 0),
      dampening: optional(decimal({ min: 0, max: 1 }), 0),
      nesterov: optional(flag(), false),
    },
    [
      ({ nesterov, momentum, dampening }) =>
        nesterov && (momentum === 0 || dampening !== 0)
          ? { path: ['nesterov'], what: 'needs a momentum and no dampening' }
          : undefined,
    ],
  ),
  create: (options, { weightDecay, decays }) => sgd({ ...options, weightDecay, decays }),
}
