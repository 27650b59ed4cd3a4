/**
 * The names of the methods that combine adapters. Nothing else, so that commands know them without loading what they do.
 */
import type { VectorMethod } from './vectors.ts'

/**
 * The methods of PEFT's `add_weighted_adapter`. `cat` and `svd` give Σ wᵢ·ΔWᵢ: cat exactly, with the ranks added up; svd the nearest of a
 * given rank. Those with `_svd` work on the change of the weight and are cut to a rank afterwards, the others work on the factors.
 */
export const COMBINE_METHODS: readonly CombineMethod[] = [
  'linear',
  'cat',
  'svd',
  'ties',
  'ties_svd',
  'dare_linear',
  'dare_ties',
  'dare_linear_svd',
  'dare_ties_svd',
  'magnitude_prune',
  'magnitude_prune_svd',
]

/** Name of a method, as PEFT has it. */
export type CombineMethod = 'cat' | 'svd' | VectorMethod | `${Exclude<VectorMethod, 'linear'>}_svd`
