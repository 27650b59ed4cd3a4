/**
 * An optimizer of a plugin: stochastic gradient descent with momentum, v ← μ·v + g, w ← w − lr·v (f32 weights).
 */
import {
  addTo,
  decimal,
  defineOptions,
  definePlugin,
  learningRateOf,
  type Plugin,
  mul,
  optional,
  scaleInPlace,
  tensorScope,
  type TransformDefinition,
  zeros,
} from 'tritune/core'

const momentumSgd: TransformDefinition<{ readonly momentum: number }> = {
  name: 'momentum-sgd',
  options: defineOptions({ momentum: optional(decimal({ min: 0, below: 1 }), 0.9) }),
  create: ({ momentum }) => ({
    name: 'momentum-sgd',
    init(parameters) {
      const velocity = new Map([...parameters].map(([name, w]) => [name, zeros(w.shape, { device: w.device })]))
      return {
        apply(step) {
          using _scope = tensorScope()
          for (const [name, weight] of parameters) {
            const v = velocity.get(name)
            if (!weight.grad || !v) continue
            scaleInPlace(v, momentum)
            addTo(v, mul(weight.grad, step.gradScale))
            addTo(weight, mul(v, -learningRateOf(step, name)))
          }
        },
        tensors: () => velocity, // what a resumed run needs
        [Symbol.dispose]() {
          for (const v of velocity.values()) v.dispose()
        },
      }
    },
  }),
}

export const plugin: Plugin = definePlugin({ name: 'momentum', provides: { optimizer: { 'momentum-sgd': momentumSgd } } })
