/**
 * The objective `cross_entropy`: the negative log-likelihood of the next token, by the op that never holds tokens × vocabulary.
 */
import {
  defineOptions,
  linearCrossEntropy,
  type Objective,
  type ObjectiveDefinition,
} from '../../core/mod.ts'

export const crossEntropyObjective: Objective = {
  name: 'cross_entropy',
  loss(model, { tokens, targets }, { scale, checkpointing }) {
    const hidden = model.hidden(tokens, { checkpointing })
    return { loss: linearCrossEntropy(hidden, model.head, targets, { scale }) }
  },
}

export const crossEntropy: ObjectiveDefinition<object> = {
  name: 'cross_entropy',
  options: defineOptions({}),
  create: () => crossEntropyObjective,
}
