/** Counting what an example teaches. */
import { IGNORE } from '../types/dataset-type.ts'
import type { TokenizedExample } from '../types/dataset-type.ts'
import { StoredExample } from '../types/stored-example.ts'

/** Tokens that are predicted and scored. The first token of a document has nothing before it and never counts. */
export function trainedTokens(example: Pick<TokenizedExample, 'labels' | 'documents'>): number {
  if (example instanceof StoredExample) return example.trained
  const { labels, documents } = example
  let count = 0
  for (let i = 1; i < labels.length; i++) if (labels[i] !== IGNORE) count++
  if (documents) for (const start of documents.subarray(1, -1)) if (labels[start] !== IGNORE) count--
  return count
}
