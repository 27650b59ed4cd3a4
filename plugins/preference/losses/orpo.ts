/**
 * The objective `orpo`: odds ratio preference optimization (Hong et al. 2024, arXiv 2403.07691). The negative log-likelihood of prompt and
 * better answer, and β times how much the odds of the better answer are above those of the worse one; without a reference. The numbers
 * are trl's.
 */
import {
  affine,
  type AuxiliaryLoss,
  decimal,
  defineOptions,
  mul,
  noGrad,
  type Objective,
  type ObjectiveBatch,
  type ObjectiveDefinition,
  optional,
  sub,
  sum,
  tensor,
  type TokenizedExample,
  withAuxiliary,
} from '../../../core/mod.ts'
import { documentsOf } from '../../data/mod.ts'
import { documentSums, pairOf, tokenLogProbs } from '../answers/answer-log-probs.ts'
import { answerLengths } from '../answers/answer-lengths.ts'
import { logOneMinusExp, logSigmoid } from '../answers/log-sigmoid.ts'
import { pairLog } from './pair-log.ts'

/** Options of `orpo`. */
export interface OrpoOptions {
  /** Weight of the odds ratio beside the negative log-likelihood: λ of the paper, `orpo_alpha` of axolotl. */
  readonly beta: number
}

/** The objective `orpo`: pairs of answers; learns the better one and moves away from the worse one, in one loss without a reference. */
export const orpo: ObjectiveDefinition<OrpoOptions> = {
  name: 'orpo',
  takes: 'pair',
  options: defineOptions<OrpoOptions>({ beta: optional(decimal({ min: 0 }), 0.1) }),
  create: createOrpo,
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function createOrpo({ beta }: OrpoOptions): Objective {
  return {
    name: 'orpo',
    averagedOver: 'examples',
    loss(model, batch, { scale, window, checkpointing }) {
      const auxiliary = new Map<string, AuxiliaryLoss>()
      const { device } = model.head
      const { targets, answers, chosen } = targetsOf(batch)
      const logProbs = tokenLogProbs(
        model,
        { tokens: batch.tokens, targets: tensor(targets, { dtype: 'i32', device }) },
        { checkpointing, auxiliary },
      )
      const sums = documentSums(mul(logProbs, tensor(answers, { device })), batch.tokens)
      const shares = answerLengths(batch.examples).map((length) => 1 / Math.max(1, length))
      const logps = pairOf(mul(sums, tensor(shares, { device })))
      const odds = sub(
        sub(logps.chosen, logps.rejected),
        sub(logOneMinusExp(logps.chosen), logOneMinusExp(logps.rejected)),
      )
      const ratio = affine(sum(logSigmoid(odds)), { scale })
      const nll = affine(sum(mul(logProbs, tensor(chosen, { device }))), {
        scale: (-scale * window.length) / Math.max(1, predictedTokens(window)),
      })
      const rewards = {
        chosen: affine(logps.chosen, { scale: beta }),
        rejected: affine(logps.rejected, { scale: beta }),
      }
      const log = noGrad(() => ({
        ...pairLog(rewards, logps, scale),
        nll_loss: nll,
        log_odds_ratio: ratio,
        log_odds_chosen: affine(sum(odds), { scale }),
      }))
      const loss = sub(nll, affine(ratio, { scale: beta }))
      return withAuxiliary({ loss, log }, auxiliary, batch.examples.length * scale)
    },
  }
}

/** The prompt of the better answer is learned too, so its tokens are predicted; of the worse answer only what is compared. */
function targetsOf({ tokens, examples }: ObjectiveBatch): {
  readonly targets: Int32Array
  /** 1 where a token of an answer is predicted. */
  readonly answers: Float32Array
  /** 1 where a token of the better document is. */
  readonly chosen: Float32Array
} {
  const { offsets } = tokens.host
  const size = offsets[offsets.length - 1]
  const targets = new Int32Array(size).fill(-100)
  const answers = new Float32Array(size)
  const chosen = new Float32Array(size)
  examples.flatMap(documentsOf).forEach(({ ids, labels }, document) => {
    const start = offsets[document]
    const isBetter = document % 2 === 0
    for (let i = 1; i < ids.length; i++) {
      const isAnswer = labels[i] >= 0
      if (isAnswer || isBetter) targets[start + i - 1] = ids[i]
      if (isAnswer) answers[start + i - 1] = 1
      if (isBetter) chosen[start + i - 1] = 1
    }
  })
  return { targets, answers, chosen }
}

/** Tokens of prompts and better answers that are predicted. */
function predictedTokens(window: readonly TokenizedExample[]): number {
  return window.reduce((total, pair) => total + documentsOf(pair)[0].ids.length - 1, 0)
}
