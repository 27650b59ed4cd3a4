/**
 * The losses of direct preference optimization by name, as trl has them (trl/trainer/dpo_trainer.py): the loss of each pair from how much
 * more likely the model finds both answers than the reference does.
 */
import { add, affine, exp, mul, relu, sigmoid, square, sub, tensor, type Tensor } from '../../../core/mod.ts'
import type { PairOf } from '../answers/answer-log-probs.ts'
import { logSigmoid } from '../answers/log-sigmoid.ts'

/** What a loss is taken of; tensors are (pairs). */
export interface DpoTerms {
  /** log p − log p of the reference. */
  readonly ratios: PairOf<Tensor>
  /** log p of the answers. */
  readonly logps: PairOf<Tensor>
  /** Tokens of the answers. */
  readonly lengths: PairOf<readonly number[]>
  readonly beta: number
  readonly smoothing: number
  /** 1 / (tokens of a better answer, on average in the window). */
  readonly perChosenToken: number
}

/** The names that `dpo_loss_type` may list. */
export const DPO_LOSSES = [
  'sigmoid',
  'hinge',
  'ipo',
  'exo_pair',
  'nca_pair',
  'robust',
  'bco_pair',
  'sppo_hard',
  'apo_zero',
  'apo_down',
  'discopop',
  'sigmoid_norm',
  'sft',
] as const

/** A name of a loss of DPO. */
export type DpoLossName = (typeof DPO_LOSSES)[number]

type DpoLoss = (terms: DpoTerms) => Tensor

const minus = (x: Tensor): Tensor => affine(x, { scale: -1 })
/** β·(ratio of the better − ratio of the worse answer). */
const margin = ({ ratios, beta }: DpoTerms): Tensor =>
  affine(sub(ratios.chosen, ratios.rejected), { scale: beta })
const perToken = (values: Tensor, lengths: readonly number[]): Tensor =>
  mul(
    values,
    tensor(
      lengths.map((length) => 1 / Math.max(1, length)),
      { device: values.device },
    ),
  )
/** The difference of the ratios of a token, on average. */
const tokenMargin = ({ ratios, lengths }: DpoTerms): Tensor =>
  sub(perToken(ratios.chosen, lengths.chosen), perToken(ratios.rejected, lengths.rejected))

const LOSSES: Readonly<Record<DpoLossName, DpoLoss>> = {
  /** Rafailov et al. 2023, arXiv 2305.18290; with smoothing the conservative DPO of Mitchell 2023. */
  sigmoid(terms) {
    const [m, { smoothing }] = [margin(terms), terms]
    if (smoothing === 0) return minus(logSigmoid(m))
    return add(
      affine(logSigmoid(m), { scale: smoothing - 1 }),
      affine(logSigmoid(minus(m)), { scale: -smoothing }),
    )
  },
  /** Zhao et al. 2023, arXiv 2305.10425. */
  hinge: (terms) => relu(affine(margin(terms), { scale: -1, shift: 1 })),
  /** Azar et al. 2023, arXiv 2310.12036, eq. 17, over means of tokens. */
  ipo: (terms) => square(affine(tokenMargin(terms), { shift: -1 / (2 * terms.beta) })),
  /** Ji et al. 2024, arXiv 2402.00856, eq. 16. */
  exo_pair(terms) {
    const [m, { smoothing }] = [margin(terms), terms]
    const better = mul(sigmoid(m), affine(logSigmoid(m), { shift: -Math.log1p(-smoothing) }))
    const worse = mul(sigmoid(minus(m)), affine(logSigmoid(minus(m)), { shift: -Math.log(smoothing) }))
    return add(better, worse)
  },
  /** Chen et al. 2024, arXiv 2402.05369. */
  nca_pair({ ratios, beta }) {
    const [c, r] = [affine(ratios.chosen, { scale: beta }), affine(ratios.rejected, { scale: beta })]
    const halves = affine(add(logSigmoid(minus(c)), logSigmoid(minus(r))), { scale: -0.5 })
    return sub(halves, logSigmoid(c))
  },
  /** Chowdhury et al. 2024, arXiv 2403.00409. */
  robust(terms) {
    const [m, { smoothing }] = [margin(terms), terms]
    const clean = affine(logSigmoid(m), { scale: smoothing - 1 })
    const flipped = affine(logSigmoid(minus(m)), { scale: smoothing })
    return affine(add(clean, flipped), { scale: 1 / (1 - 2 * smoothing) })
  },
  bco_pair({ ratios, beta }) {
    const [c, r] = [affine(ratios.chosen, { scale: beta }), affine(ratios.rejected, { scale: -beta })]
    return minus(add(logSigmoid(c), logSigmoid(r)))
  },
  /** Wu et al. 2024, arXiv 2405.00675, eq. 4.7 with hard labels. */
  sppo_hard: ({ ratios, beta }) =>
    add(
      square(affine(ratios.chosen, { shift: -0.5 / beta })),
      square(affine(ratios.rejected, { shift: 0.5 / beta })),
    ),
  /** D'Oosterlinck et al. 2024, arXiv 2408.06266, eq. 7. */
  apo_zero: ({ ratios, beta }) =>
    add(
      affine(sigmoid(affine(ratios.chosen, { scale: beta })), { scale: -1, shift: 1 }),
      sigmoid(affine(ratios.rejected, { scale: beta })),
    ),
  /** The same, eq. 8. */
  apo_down: (terms) =>
    add(
      sigmoid(affine(terms.ratios.chosen, { scale: terms.beta })),
      affine(sigmoid(margin(terms)), { scale: -1, shift: 1 }),
    ),
  /** Lu et al. 2024, arXiv 2406.08414, eq. 5. */
  discopop(terms) {
    const m = margin(terms)
    const share = sigmoid(affine(m, { scale: 1 / DISCOPOP_TAU }))
    const logistic = minus(logSigmoid(m))
    return add(logistic, mul(share, sub(exp(minus(m)), logistic)))
  },
  /** DPO over means of tokens. */
  sigmoid_norm: (terms) => minus(logSigmoid(affine(tokenMargin(terms), { scale: terms.beta }))),
  /** The negative log-likelihood of a token of the better answers, on average in the window. */
  sft: ({ logps, perChosenToken }) => affine(logps.chosen, { scale: -perChosenToken }),
}

const DISCOPOP_TAU = 0.05

/** Losses of trl that sort the answers of a whole batch, and are not here. */
export const LATER_DPO_LOSSES: readonly string[] = ['aot', 'aot_unpaired']

/** (pairs): the loss of each pair. */
export function dpoLoss(name: DpoLossName, terms: DpoTerms): Tensor {
  return LOSSES[name](terms)
}
