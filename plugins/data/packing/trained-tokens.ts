/** Counting what an example teaches. */
import { IGNORE } from '../types/dataset-type.ts'
import type { TokenizedExample } from '../types/dataset-type.ts'

/** Tokens that are predicted and scored. The first token of an example has nothing before it and never counts. */
export function trainedTokens({ labels }: Pick<TokenizedExample, 'labels'>): number {
  let count = 0
  for (let i = 1; i < labels.length; i++) if (labels[i] !== IGNORE) count++
  return count
}
