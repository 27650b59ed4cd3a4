/**
 * An objective: cross-entropy, plus a penalty on the mean square of the last hidden states.
 */
import {
  add,
  decimal,
  defineOptions,
  definePlugin,
  headCrossEntropy,
  type Plugin,
  mean,
  mul,
  type ObjectiveDefinition,
  optional,
  cast,
} from 'tritune/core'

const smallActivations: ObjectiveDefinition<{ readonly weight: number }> = {
  name: 'small-activations',
  options: defineOptions({ weight: optional(decimal({ min: 0 }), 0.01) }),
  create: ({ weight }) => ({
    name: 'small-activations',
    loss(model, { tokens, targets, trainedTokens }, { scale, checkpointing }) {
      const hidden = model.hidden(tokens, { checkpointing })
      const likelihood = headCrossEntropy(model.head, hidden, targets, { scale })
      const wide = cast(hidden, 'f32')
      // A sum over tokens times scale, like the likelihood: the same whatever the split into micro-batches.
      const penalty = mul(mean(mul(wide, wide)), weight * trainedTokens * scale)
      return { loss: add(likelihood, penalty), log: { penalty } }
    },
  }),
}

export const plugin: Plugin = definePlugin({
  name: 'small-activations',
  provides: { objective: { 'small-activations': smallActivations } },
})
