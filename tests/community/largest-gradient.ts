/**
 * An optimizer of a stranger, in one file: AdaMax (Kingma & Ba 2015, arXiv 1412.6980, section 7.1).
 *
 *   m ← β₁m + (1 − β₁)g     u ← max(β₂u, |g| + ε)     w ← w·(1 − lr·weightDecay) − lr/(1 − β₁ᵗ) · m/u
 */
import {
  abs,
  add,
  addTo,
  cast,
  castOp,
  decimal,
  defineOptions,
  definePlugin,
  div,
  learningRateOf,
  maximum,
  mul,
  noGrad,
  optional,
  type Plugin,
  run,
  scaleInPlace,
  type Tensor,
  tensorScope,
  type TransformDefinition,
  zeros,
} from 'tritune/core'

export interface LargestGradientOptions {
  readonly beta1: number
  readonly beta2: number
}

const EPS = 1e-8

export const largestGradient: TransformDefinition<LargestGradientOptions> = {
  name: 'largest-gradient',
  options: defineOptions({
    beta1: optional(decimal({ min: 0, below: 1 }), 0.9),
    beta2: optional(decimal({ min: 0, below: 1 }), 0.999),
  }),
  create: ({ beta1, beta2 }, { weightDecay, decays }) => ({
    name: 'largest-gradient',
    init(parameters) {
      const states = new Map<string, Tensor>()
      for (const [name, weight] of parameters) {
        for (const part of ['m', 'u'])
          states.set(`${part}.${name}`, zeros(weight.shape, { device: weight.device }))
        // What bf16 would round away.
        if (weight.dtype !== 'f32')
          states.set(
            `w.${name}`,
            noGrad(() => cast(weight, 'f32')),
          )
      }
      return {
        apply(step) {
          using _scope = tensorScope()
          for (const [name, weight] of parameters) {
            const [m, u] = [states.get(`m.${name}`), states.get(`u.${name}`)]
            if (!weight.grad || !m || !u) continue
            const master = states.get(`w.${name}`)
            const target = master ?? weight
            const rate = learningRateOf(step, name)
            const g = mul(weight.grad, step.gradScale)
            scaleInPlace(m, beta1)
            addTo(m, mul(g, 1 - beta1))
            const largest = maximum(mul(u, beta2), add(abs(g), EPS))
            scaleInPlace(u, 0)
            addTo(u, largest)
            if (decays(name)) scaleInPlace(target, 1 - rate * weightDecay)
            addTo(target, mul(div(m, u), -rate / (1 - beta1 ** step.step)))
            if (master) noGrad(() => run(castOp, { x: master }, { dtype: weight.dtype }, { y: weight }))
          }
        },
        tensors: () => states,
        [Symbol.dispose]() {
          for (const tensor of states.values()) tensor.dispose()
        },
      }
    },
  }),
}

export const plugin: Plugin = definePlugin({
  name: 'largest-gradient',
  provides: { optimizer: { 'largest-gradient': largestGradient } },
})
