/**
 * The objective `cross_entropy`: the negative log-likelihood of the next token, by the op that never holds tokens × vocabulary. With smoothed
 * labels (Szegedy et al. 2015, arXiv 1512.00567) each token wants a share of all others too; then some rows of logits are held at once.
 */
import {
  type AuxiliaryLoss,
  decimal,
  defineOptions,
  headCrossEntropy,
  type Objective,
  type ObjectiveDefinition,
  optional,
  withAuxiliary,
} from '../../../core/mod.ts'

/** Options of `cross_entropy`. */
export interface CrossEntropyOptions {
  /** Share of each label that all ids get alike, as `label_smoothing_factor` of transformers, in evaluations too. */
  readonly label_smoothing?: number
}

export const crossEntropyObjective: Objective = createCrossEntropy({})

/**
 * The objective `cross_entropy`, which runs have unless they name another one: −log p of the next token, summed in one
 * op that never holds tokens × vocabulary.
 */
export const crossEntropy: ObjectiveDefinition<CrossEntropyOptions> = {
  name: 'cross_entropy',
  options: defineOptions<CrossEntropyOptions>({
    label_smoothing: optional(decimal({ min: 0, below: 1 }), 0),
  }),
  create: createCrossEntropy,
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function createCrossEntropy({ label_smoothing: smoothing = 0 }: CrossEntropyOptions): Objective {
  return {
    name: 'cross_entropy',
    loss(model, { tokens, targets, trainedTokens }, { scale, checkpointing }) {
      const auxiliary = new Map<string, AuxiliaryLoss>()
      const hidden = model.hidden(tokens, { checkpointing, auxiliary })
      const loss = headCrossEntropy(model.head, hidden, targets, { scale, smoothing })
      return withAuxiliary({ loss }, auxiliary, trainedTokens * scale)
    },
  }
}
