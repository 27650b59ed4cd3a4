/**
 * Which parameters `weight_decay` is for: those of `Trainer.get_decay_parameter_names` in transformers, that is all but
 * biases and the weights of norms. Embeddings and output heads decay.
 */
import type { GradientTransform, TransformContext } from '../../../core/mod.ts'

/** As there; the norms of GPT-2, which transformers knows by their type, are named `ln_1`, `ln_2`, `ln_f`. */
const EXEMPT = /bias|layernorm|rmsnorm|(^|\.)norm($|\.)|_norm($|\.)|(^|\.)ln_\w+($|\.)/

/**
 * @param axes of the parameter: vectors of a model do not decay, whatever their name
 * @param isAdapter whether it is a parameter of an adapter, where a vector decays unless its name says otherwise
 */
export function weightDecays(name: string, axes: number, isAdapter: boolean): boolean {
  return !EXEMPT.test(name.toLowerCase()) && (isAdapter || axes > 1)
}

/** Who decays in the steps up to `end`, and nobody afterwards: the link, which comes first in the chain, follows the steps. */
export function decayUntil(
  end: number | null,
  decays: TransformContext['decays'],
): { readonly links: readonly GradientTransform[]; readonly decays: TransformContext['decays'] } {
  if (end === null) return { links: [], decays }
  let isOver = false
  const link: GradientTransform = {
    name: 'decay-until',
    init: () => ({
      apply({ step }) {
        isOver = step > end
      },
      tensors: () => new Map(),
      [Symbol.dispose]() {},
    }),
  }
  return { links: [link], decays: (name) => !isOver && decays(name) }
}
