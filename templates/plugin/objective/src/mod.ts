/**
 * my-objective: cross-entropy, and a z-loss (Chowdhery et al. 2022, arXiv 2204.02311, section 5) that keeps the logits small.
 *
 *   loss = Σ scale · (−log p(target) + weight · z²)      z = log Σ exp(logits), over the trained tokens
 *
 * The logits of a batch are held for it: tokens × vocabulary numbers.
 */
import {
  add,
  amax,
  decimal,
  defineOptions,
  definePlugin,
  exp,
  headCrossEntropy,
  headLogits,
  log,
  mul,
  noGrad,
  type ObjectiveDefinition,
  optional,
  type Plugin,
  square,
  sub,
  sum,
  type Tensor,
  tensor,
} from 'tritune/core'

export interface MyObjectiveOptions {
  readonly weight: number
}

export const myObjective: ObjectiveDefinition<MyObjectiveOptions> = {
  name: 'my-objective',
  options: defineOptions({ weight: optional(decimal({ min: 0 }), 1e-4) }),
  create: ({ weight }) => ({
    name: 'my-objective',
    loss(model, { tokens, targets }, { scale, checkpointing }) {
      const hidden = model.hidden(tokens, { checkpointing })
      const likelihood = headCrossEntropy(model.head, hidden, targets, { scale })
      const z = logSumExp(headLogits(model.head, hidden))
      const penalty = mul(sum(mul(square(z), trained(targets))), weight * scale)
      return { loss: add(likelihood, penalty), log: { z_loss: penalty } }
    },
  }),
}

export const plugin: Plugin = definePlugin({
  name: 'my-objective',
  provides: { objective: { 'my-objective': myObjective } },
})

/** logits (T, V) → (T, 1). The largest one is taken out before exp(), and is a constant for the gradient. */
export function logSumExp(logits: Tensor): Tensor {
  const largest = noGrad(() => amax(logits, { axis: 1, keepDims: true }))
  return add(log(sum(exp(sub(logits, largest)), { axis: 1, keepDims: true })), largest)
}

/** (T, 1): 1 where there is something to predict. */
function trained(targets: Tensor): Tensor {
  const values = targets.toArray().map((id) => (id < 0 ? 0 : 1))
  return tensor(values, { shape: [values.length, 1], device: targets.device })
}
