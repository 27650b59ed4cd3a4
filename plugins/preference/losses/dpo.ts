/**
 * The objective `dpo`: direct preference optimization (Rafailov et al. 2023, arXiv 2305.18290) and the losses of its family, several at once
 * with weights. The numbers are trl's. The reference is the model before the training.
 */
import {
  add,
  affine,
  type AuxiliaryLoss,
  decimal,
  defineOptions,
  listOf,
  nullable,
  type Objective,
  type ObjectiveDefinition,
  oneOf,
  optional,
  sub,
  sum,
  withAuxiliary,
} from '../../../core/mod.ts'
import { answerLogProbs, pairOf } from '../answers/answer-log-probs.ts'
import { answerLengths, chosenTokens } from '../answers/answer-lengths.ts'
import { createReference, prepared, type ReferenceLogProbs } from '../answers/reference-log-probs.ts'
import { DPO_LOSSES, dpoLoss, type DpoLossName, LATER_DPO_LOSSES } from './dpo-losses.ts'
import { pairLog } from './pair-log.ts'

/** Options of `dpo`. */
export interface DpoOptions {
  /** How far the model may go from the reference: small values let it go further. */
  readonly beta: number
  readonly loss_type: readonly DpoLossName[]
  /** One for each loss; null: 1. */
  readonly loss_weights: readonly number[] | null
  /** Share of the pairs that may be the wrong way round: of `sigmoid`, `robust` and `exo_pair`. */
  readonly label_smoothing: number
}

/** Losses that a share of wrong pairs changes. */
const SMOOTHED: readonly DpoLossName[] = ['sigmoid', 'robust', 'exo_pair']

/** The objective `dpo`: pairs of answers, trained so that the better one becomes more likely than the reference finds it. */
export const dpo: ObjectiveDefinition<DpoOptions> = {
  name: 'dpo',
  takes: 'pair',
  options: defineOptions<DpoOptions>(
    {
      beta: optional(decimal({ above: 0 }), 0.1),
      loss_type: optional(listOf(oneOf(DPO_LOSSES, { later: LATER_DPO_LOSSES })), ['sigmoid']),
      loss_weights: nullable(listOf(decimal())),
      label_smoothing: optional(decimal({ min: 0, below: 0.5 }), 0),
    },
    [
      ({ loss_type }) =>
        loss_type.length === 0 ? { path: ['loss_type'], what: 'expected at least one loss' } : undefined,
      ({ loss_type, loss_weights }) =>
        loss_weights !== null && loss_weights.length !== loss_type.length
          ? {
              path: ['loss_weights'],
              what: `expected one for each loss (${loss_type.length}), got ${loss_weights.length}`,
            }
          : undefined,
      ({ loss_type, label_smoothing }) =>
        label_smoothing > 0 && !loss_type.some((name) => SMOOTHED.includes(name))
          ? {
              path: ['label_smoothing'],
              what: `is for ${SMOOTHED.join(', ')}, not for ${loss_type.join(', ')}`,
            }
          : undefined,
      ({ loss_type, label_smoothing }) =>
        label_smoothing === 0 && loss_type.includes('exo_pair')
          ? { path: ['label_smoothing'], what: 'must be above 0 for exo_pair', remedy: 'set it to 0.001' }
          : undefined,
    ],
  ),
  create: createDpo,
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function createDpo({
  beta,
  loss_type: names,
  loss_weights: weights,
  label_smoothing,
}: DpoOptions): Objective {
  let reference: ReferenceLogProbs | null = null
  return {
    name: 'dpo',
    averagedOver: 'examples',
    prepare({ train, validation, ...start }) {
      reference = createReference(start, [...train, ...validation])
      return []
    },
    loss(model, batch, { scale, window, checkpointing }) {
      const auxiliary = new Map<string, AuxiliaryLoss>()
      const sums = answerLogProbs(model, batch, { checkpointing, auxiliary })
      const logps = pairOf(sums)
      const ratios = pairOf(sub(sums, prepared(reference, 'dpo').of(batch.examples, model)))
      const lengths = answerLengths(batch.examples)
      const terms = {
        logps,
        ratios,
        lengths: {
          chosen: lengths.filter((_, i) => i % 2 === 0),
          rejected: lengths.filter((_, i) => i % 2 === 1),
        },
        beta,
        smoothing: label_smoothing,
        perChosenToken: window.length / Math.max(1, chosenTokens(window)),
      }
      const losses = names.map((name, i) =>
        affine(sum(dpoLoss(name, terms)), { scale: scale * (weights?.[i] ?? 1) }),
      )
      const rewards = {
        chosen: affine(ratios.chosen, { scale: beta }),
        rejected: affine(ratios.rejected, { scale: beta }),
      }
      const result = {
        loss: losses.reduce((total, one) => add(total, one)),
        log: pairLog(rewards, logps, scale),
      }
      return withAuxiliary(result, auxiliary, batch.examples.length * scale)
    },
  }
}
