/**
 * The objective `eaft`, entropy-aware fine-tuning, as axolotl computes it (`use_eaft`): each token counts as much as the model is unsure of it, by the
 * entropy of its most likely ids. What the model is sure of, rightly or wrongly, changes it little.
 */
import {
  affine,
  type AuxiliaryLoss,
  decimal,
  defineOptions,
  headLogProbs,
  headRows,
  integer,
  mul,
  noGrad,
  type ObjectiveDefinition,
  optional,
  sum,
  tensor,
  type Tensor,
  withAuxiliary,
} from '../../../core/mod.ts'

/** Options of `eaft`. */
export interface EaftOptions {
  /** Power of the entropy. */
  readonly alpha: number
  /** How many of the most likely ids it is taken of. */
  readonly k: number
}

/** Cross-entropy that is weighted by the entropy of the k most likely ids, in nats, to the power of alpha. */
export const eaft: ObjectiveDefinition<EaftOptions> = {
  name: 'eaft',
  options: defineOptions<EaftOptions>({
    alpha: optional(decimal({ min: 0 }), 1),
    k: optional(integer({ min: 2 }), 20),
  }),
  create: ({ alpha, k }) => ({
    name: 'eaft',
    loss(model, { tokens, targets, trainedTokens }, { scale, checkpointing }) {
      const auxiliary = new Map<string, AuxiliaryLoss>()
      const hidden = model.hidden(tokens, { checkpointing, auxiliary })
      const weights = noGrad(() =>
        headRows(model.head, hidden, (logits) =>
          tensor(entropies(logits, k, alpha), { device: logits.device }),
        ),
      ).flatMap((part) => [...part.toArray()])
      const weighted = mul(
        headLogProbs(model.head, hidden, targets),
        tensor(weights, { device: hidden.device }),
      )
      return withAuxiliary(
        { loss: affine(sum(weighted), { scale: -scale }) },
        auxiliary,
        trainedTokens * scale,
      )
    },
  }),
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** As axolotl adds it, so that the logarithm of 0 is none. */
const TINY = 1e-10

/** (−Σ p·log p)^alpha of the k largest of each row of logits (rows, V). */
function entropies(logits: Tensor, k: number, alpha: number): Float32Array {
  const [rows, width] = logits.shape
  const values = logits.toArray()
  return Float32Array.from({ length: rows }, (_, row) => {
    const top = largest(values.subarray(row * width, (row + 1) * width), k)
    const most = top[0]
    const parts = top.map((value) => Math.exp(value - most))
    const all = parts.reduce((a, b) => a + b, 0)
    const entropy = parts.reduce((total, part) => total - (part / all) * Math.log(part / all + TINY), 0)
    return entropy ** alpha
  })
}

/** The k largest, largest first. */
function largest(values: Float32Array, k: number): number[] {
  const top: number[] = []
  for (const value of values) {
    if (top.length === k && value <= top[k - 1]) continue
    let place = top.length
    while (place > 0 && top[place - 1] < value) place--
    top.splice(place, 0, value)
    if (top.length > k) top.pop()
  }
  return top
}
