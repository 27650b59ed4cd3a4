/**
 * Counting tokens of answers: of documents, and of windows.
 */
import type { TokenizedExample } from '../../../core/mod.ts'
import { documentsOf, trainedTokens } from '../../data/mod.ts'

/** Trained tokens of each document of some examples, in the order of the tokens. */
export function answerLengths(examples: readonly TokenizedExample[]): number[] {
  return examples.flatMap(documentsOf).map(trainedTokens)
}

/** Trained tokens of the better answers of pairs. */
export function chosenTokens(pairs: readonly TokenizedExample[]): number {
  return pairs.reduce((sum, pair) => sum + trainedTokens(documentsOf(pair)[0]), 0)
}
