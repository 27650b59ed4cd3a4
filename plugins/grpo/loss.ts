/**
 * The loss of GRPO (Shao et al. 2024, arXiv 2402.03300) on tokens, with the clipping of DAPO (arXiv 2503.14476): as trl's GRPOTrainer computes it.
 *
 * Which weight each token has is what the variants differ in: `tokenWeight()`.
 */
import {
  add,
  affine,
  exp,
  greater,
  maximum,
  minimum,
  mul,
  neg,
  noGrad,
  sub,
  sum,
  type Tensor,
} from '../../core/mod.ts'
import type { GrpoLoss, GrpoOptions } from './options.ts'

/** Of the tokens of some completions, one after the other, (R) f32 each. */
export interface TokenNumbers {
  /** log p of each token, with gradients. */
  readonly logProbs: Tensor
  readonly advantages: Tensor
  /** What each token counts in the loss. */
  readonly weights: Tensor
  /** log p when the completions were made; null: the same as `logProbs`. */
  readonly old: Tensor | null
  /** log p by the reference model; null: there is none. */
  readonly reference: Tensor | null
}

/** One-element tensors; all but the loss without gradients. */
export interface GrpoLossResult {
  readonly loss: Tensor
  /** Σ mask · value over the tokens, `mask` being 1 where a token counts. */
  readonly kl: Tensor | null
  readonly clippedLow: Tensor
  readonly clippedHigh: Tensor
}

/** Σ weight · (−min(ratio·A, clipped ratio·A) + β·KL) over the tokens. */
export function grpoLoss(
  { logProbs, advantages, weights, old, reference }: TokenNumbers,
  {
    epsilon,
    epsilon_high,
    delta,
    beta,
    use_bias_correction_kl,
  }: Pick<GrpoOptions, 'epsilon' | 'epsilon_high' | 'delta' | 'beta' | 'use_bias_correction_kl'>,
): GrpoLossResult {
  const before = old ?? noGrad(() => affine(logProbs))
  const ratio = exp(sub(logProbs, before))
  const clipped = minimum(maximum(ratio, 1 - epsilon), 1 + epsilon_high)
  const limited = delta === null ? ratio : minimum(ratio, delta)
  const policy = neg(minimum(mul(limited, advantages), mul(clipped, advantages)))
  const divergence = reference && beta > 0 ? klOf(logProbs, reference) : null
  const kl = divergence && (use_bias_correction_kl ? mul(divergence, ratio) : divergence)
  const each = kl ? add(policy, affine(kl, { scale: beta })) : policy
  return {
    loss: sum(mul(each, weights)),
    ...noGrad(() => {
      const counted = greater(weights, 0)
      const low = mul(greater(neg(limited), epsilon - 1), greater(neg(advantages), 0))
      const high = mul(greater(limited, 1 + epsilon_high), greater(advantages, 0))
      return {
        kl: kl && sum(mul(kl, counted)),
        clippedLow: sum(mul(low, counted)),
        clippedHigh: sum(mul(high, counted)),
      }
    }),
  }
}

/** exp(r − p) − (r − p) − 1: an estimate of the divergence that is never negative (Schulman 2020). */
function klOf(logProbs: Tensor, reference: Tensor): Tensor {
  const difference = sub(reference, logProbs)
  return affine(sub(exp(difference), difference), { shift: -1 })
}

/** Weights of the tokens of a completion with `length` tokens that count, in a step of these sizes. */
export function tokenWeight(
  kind: GrpoLoss,
  { length, rows, tokens, longest }: StepSizes & { readonly length: number },
): number {
  switch (kind) {
    case 'grpo':
      return 1 / (Math.max(1, length) * rows)
    case 'bnpo':
    case 'dapo':
      return 1 / Math.max(1, tokens)
    case 'dr_grpo':
      return 1 / (rows * longest)
    default:
      return kind satisfies never
  }
}

/** Of the completions of a step. */
export interface StepSizes {
  readonly rows: number
  /** Tokens that count, of all of them. */
  readonly tokens: number
  /** `max_completion_length` */
  readonly longest: number
}
