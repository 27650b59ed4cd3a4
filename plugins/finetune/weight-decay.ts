/**
 * Which parameters `weight_decay` is for: those of `Trainer.get_decay_parameter_names` in transformers, that is all but
 * biases and the weights of norms. Embeddings and output heads decay.
 */
import type { Tensor } from '../../core/mod.ts'

/** As there; the norms of GPT-2, which transformers knows by their type, are named `ln_1`, `ln_2`, `ln_f`. */
const EXEMPT = /bias|layernorm|rmsnorm|(^|\.)norm($|\.)|_norm($|\.)|(^|\.)ln_\w+($|\.)/

/** @param isAdapter whether the parameter is one of an adapter, where vectors decay too unless their name says otherwise */
export function weightDecays(name: string, { shape }: Pick<Tensor, 'shape'>, isAdapter: boolean): boolean {
  return !EXEMPT.test(name.toLowerCase()) && (isAdapter || shape.length > 1)
}
