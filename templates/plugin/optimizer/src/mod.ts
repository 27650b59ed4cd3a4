/**
 * my-optimizer: Lion (Chen et al. 2023, arXiv 2302.06675), which moves each weight by the sign of a smoothed gradient.
 *
 *   u = sign(beta1·m + (1 − beta1)·g)      w ← w − lr·(u + decay·w)      m ← beta2·m + (1 − beta2)·g
 */
import {
  add,
  addTo,
  decimal,
  defineOptions,
  definePlugin,
  greater,
  learningRateOf,
  mul,
  neg,
  optional,
  type Plugin,
  scaleInPlace,
  sub,
  type Tensor,
  tensorScope,
  type TransformDefinition,
  zeros,
} from 'tritune/core'

export interface MyOptimizerOptions {
  readonly beta1: number
  readonly beta2: number
}

export const myOptimizer: TransformDefinition<MyOptimizerOptions> = {
  name: 'my-optimizer',
  options: defineOptions({
    beta1: optional(decimal({ min: 0, below: 1 }), 0.9),
    beta2: optional(decimal({ min: 0, below: 1 }), 0.99),
  }),
  create: ({ beta1, beta2 }, { weightDecay, decays }) => ({
    name: 'my-optimizer',
    init(parameters) {
      const momentum = new Map(
        [...parameters].map(([name, w]) => [name, zeros(w.shape, { device: w.device })]),
      )
      return {
        apply(step) {
          const scope = tensorScope() // frees what is made below
          for (const [name, weight] of parameters) {
            const m = momentum.get(name)
            if (!weight.grad || !m) continue
            const rate = learningRateOf(step, name)
            const gradient = mul(weight.grad, step.gradScale)
            const update = sign(add(mul(m, beta1), mul(gradient, 1 - beta1)))
            if (decays(name)) scaleInPlace(weight, 1 - rate * weightDecay)
            addTo(weight, mul(update, -rate))
            scaleInPlace(m, beta2)
            addTo(m, mul(gradient, 1 - beta2))
          }
          scope[Symbol.dispose]()
        },
        tensors: () => momentum, // what a resumed run needs
        [Symbol.dispose]() {
          for (const m of momentum.values()) m.dispose()
        },
      }
    },
  }),
}

export const plugin: Plugin = definePlugin({
  name: 'my-optimizer',
  provides: { optimizer: { 'my-optimizer': myOptimizer } },
})

function sign(x: Tensor): Tensor {
  return sub(greater(x, 0), greater(neg(x), 0))
}
