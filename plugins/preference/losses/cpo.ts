/**
 * The objective `cpo`: contrastive preference optimization (Xu et al. 2024, arXiv 2401.08417) without a reference, and with `loss_type: simpo`
 * SimPO (Meng et al. 2024, arXiv 2405.14734) over means of tokens. `cpo_alpha` weighs the negative log-likelihood of the better answers
 * beside it. The numbers are trl's.
 */
import {
  add,
  affine,
  type AuxiliaryLoss,
  decimal,
  defineOptions,
  mul,
  type Objective,
  type ObjectiveDefinition,
  oneOf,
  optional,
  relu,
  square,
  sub,
  sum,
  tensor,
  type Tensor,
  withAuxiliary,
} from '../../../core/mod.ts'
import { answerLogProbs, pairOf } from '../answers/answer-log-probs.ts'
import { answerLengths, chosenTokens } from '../answers/answer-lengths.ts'
import { logSigmoid } from '../answers/log-sigmoid.ts'
import { pairLog } from './pair-log.ts'

type CpoLossName = 'sigmoid' | 'hinge' | 'ipo' | 'simpo'

/** Options of `cpo`. */
export interface CpoOptions {
  readonly beta: number
  /** `simpo` and `ipo` take means over the tokens of an answer, the others sums. */
  readonly loss_type: CpoLossName
  /** Share of the pairs that may be the wrong way round: of `sigmoid` and `simpo`. */
  readonly label_smoothing: number
  /** By how much the better answer is to be ahead: of `simpo`. */
  readonly simpo_gamma: number
  /** Weight of the negative log-likelihood of the better answers. */
  readonly cpo_alpha: number
}

/** The objective `cpo`: pairs of answers, compared without a reference; SimPO is its `loss_type: simpo`. */
export const cpo: ObjectiveDefinition<CpoOptions> = {
  name: 'cpo',
  takes: 'pair',
  options: defineOptions<CpoOptions>(
    {
      beta: optional(decimal({ above: 0 }), 0.1),
      loss_type: optional(oneOf(['sigmoid', 'hinge', 'ipo', 'simpo']), 'sigmoid'),
      label_smoothing: optional(decimal({ min: 0, below: 0.5 }), 0),
      simpo_gamma: optional(decimal({ min: 0 }), 0.5),
      cpo_alpha: optional(decimal({ min: 0 }), 1),
    },
    [
      ({ loss_type, label_smoothing }) =>
        label_smoothing > 0 && (loss_type === 'hinge' || loss_type === 'ipo')
          ? { path: ['label_smoothing'], what: `is for sigmoid and simpo, not for ${loss_type}` }
          : undefined,
    ],
  ),
  create: createCpo,
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function createCpo(options: CpoOptions): Objective {
  const { beta, loss_type: name, cpo_alpha: alpha } = options
  return {
    name: 'cpo',
    averagedOver: 'examples',
    loss(model, batch, { scale, window, checkpointing }) {
      const auxiliary = new Map<string, AuxiliaryLoss>()
      const sums = answerLogProbs(model, batch, { checkpointing, auxiliary })
      const shares = answerLengths(batch.examples).map((length) => 1 / Math.max(1, length))
      const isMean = name === 'simpo' || name === 'ipo'
      const logps = pairOf(isMean ? mul(sums, tensor(shares, { device: sums.device })) : sums)
      const compared = affine(sum(pairLosses(sub(logps.chosen, logps.rejected), options)), { scale })
      const nll = affine(sum(pairOf(sums).chosen), {
        scale: (-scale * window.length) / Math.max(1, chosenTokens(window)),
      })
      const rewards = {
        chosen: affine(logps.chosen, { scale: beta }),
        rejected: affine(logps.rejected, { scale: beta }),
      }
      const result = {
        loss: alpha === 0 ? compared : add(compared, affine(nll, { scale: alpha })),
        log: { ...pairLog(rewards, logps, scale), ...(alpha === 0 ? {} : { nll_loss: nll }) },
      }
      return withAuxiliary(result, auxiliary, batch.examples.length * scale)
    },
  }
}

/** (pairs) of the difference of both log-probabilities. */
function pairLosses(
  difference: Tensor,
  { beta, loss_type: name, label_smoothing: smoothing, simpo_gamma: gamma }: CpoOptions,
): Tensor {
  if (name === 'ipo') return square(affine(difference, { shift: -1 / (2 * beta) }))
  const margin = affine(difference, { scale: beta, shift: name === 'simpo' ? -gamma : 0 })
  if (name === 'hinge') return relu(affine(margin, { scale: -1, shift: 1 }))
  const right = affine(logSigmoid(margin), { scale: smoothing - 1 })
  if (smoothing === 0) return right
  return add(right, affine(logSigmoid(affine(margin, { scale: -1 })), { scale: -smoothing }))
}
