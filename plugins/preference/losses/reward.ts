/**
 * The objective `reward`: a model that scores texts learns which answer of a pair people prefer, as Bradley and Terry have it:
 * −log σ(score of the better − score of the worse − margin). The numbers are trl's.
 */
import {
  add,
  affine,
  type AuxiliaryLoss,
  decimal,
  defineOptions,
  documentScores,
  greater,
  noGrad,
  nullable,
  type Objective,
  type ObjectiveDefinition,
  square,
  sub,
  sum,
  tensor,
  TrituneError,
  withAuxiliary,
  withNoise,
} from '../../../core/mod.ts'
import { pairOf } from '../answers/answer-log-probs.ts'
import { logSigmoid } from '../answers/log-sigmoid.ts'

/** Options of `reward`. */
export interface RewardOptions {
  /** Weight of the squared sum of both scores, which keeps scores around 0 (arXiv 2312.09244, eq. 2); null: none. */
  readonly center_rewards_coefficient: number | null
}

/** The objective `reward`: pairs of texts and a model with a head of one score. `values.margin` of a pair asks for more distance. */
export const reward: ObjectiveDefinition<RewardOptions> = {
  name: 'reward',
  takes: 'pair',
  options: defineOptions<RewardOptions>({ center_rewards_coefficient: nullable(decimal({ min: 0 })) }),
  create: createReward,
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function createReward({ center_rewards_coefficient: centre }: RewardOptions): Objective {
  return {
    name: 'reward',
    averagedOver: 'examples',
    prepare({ model: { scoreHead, info } }) {
      if (scoreHead?.outputs === 1) return []
      const has = scoreHead ? `a head of ${scoreHead.outputs} scores` : 'no head that scores texts'
      throw new TrituneError(
        'E_CONFIG',
        `the objective reward needs a model with one score, and this ${info.architecture} has ${has}`,
        {
          place: 'objective',
          remedy: 'set reward_model: true instead of objective',
        },
      )
    },
    loss(model, { tokens, examples }, { scale, checkpointing }) {
      const auxiliary = new Map<string, AuxiliaryLoss>()
      const scores = withNoise(null, () =>
        documentScores(model, model.hidden(tokens, { checkpointing, auxiliary }), tokens),
      )
      const { chosen, rejected } = pairOf(scores)
      const ahead = sub(chosen, rejected)
      const margins = tensor(
        examples.map(({ values }) => values?.margin ?? 0),
        { device: scores.device },
      )
      const compared = affine(sum(logSigmoid(sub(ahead, margins))), { scale: -scale })
      const log = noGrad(() => ({
        accuracy: affine(sum(greater(chosen, rejected)), { scale }),
        margin: affine(sum(ahead), { scale }),
        mean_reward: affine(sum(scores), { scale: scale / 2 }),
      }))
      const loss =
        centre === null
          ? compared
          : add(compared, affine(sum(square(add(chosen, rejected))), { scale: scale * centre }))
      return withAuxiliary({ loss, log }, auxiliary, examples.length * scale)
    },
  }
}
