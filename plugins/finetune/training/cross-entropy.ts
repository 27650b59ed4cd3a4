/**
 * The objective `cross_entropy`: the negative log-likelihood of the next token, by the op that never holds tokens × vocabulary.
 */
import {
  defineOptions,
  headCrossEntropy,
  type Objective,
  type ObjectiveDefinition,
} from '../../../core/mod.ts'

export const crossEntropyObjective: Objective = {
  name: 'cross_entropy',
  loss(model, { tokens, targets }, { scale, checkpointing }) {
    const hidden = model.hidden(tokens, { checkpointing })
    return { loss: headCrossEntropy(model.head, hidden, targets, { scale }) }
  },
}

/**
 * The objective `cross_entropy`, which runs have unless they name another one: −log p of the next token, summed in one
 * op that never holds tokens × vocabulary.
 */
export const crossEntropy: ObjectiveDefinition<object> = {
  name: 'cross_entropy',
  options: defineOptions({}),
  create: () => crossEntropyObjective,
}
