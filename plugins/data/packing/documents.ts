/**
 * Examples of several documents: put together, and taken apart. What the documents mean is up to the loss.
 */
import type { RecordSource, TokenizedExample } from '../types/dataset-type.ts'

/** One document of an example: as long as each other, labels not shifted. */
export type ExampleDocument = Pick<TokenizedExample, 'ids' | 'labels'>

/** The documents of an example, as views; of most there is one. */
export function documentsOf(example: TokenizedExample): ExampleDocument[] {
  const { documents } = example
  // Reading the tokens of an example can take a file.
  if (!documents) return [example]
  const { ids, labels } = example
  return Array.from({ length: documents.length - 1 }, (_, i) => ({
    ids: ids.subarray(documents[i], documents[i + 1]),
    labels: labels.subarray(documents[i], documents[i + 1]),
  }))
}

/**
 * An example of several documents that stay together, such as a better and a worse answer.
 *
 * @example
 * ```ts
 * import { documentsOf, joinDocuments } from 'tritune/plugins/data'
 *
 * const [better, worse] = [Int32Array.of(1, 5, 2), Int32Array.of(1, 2)]
 * const documents = [better, worse].map((ids) => ({ ids, labels: ids }))
 * const pair = joinDocuments(documents, { file: 'here', line: 1 })
 * console.log(pair.ids.length, documentsOf(pair).length) // → 5 2
 * ```
 */
export function joinDocuments(
  parts: readonly ExampleDocument[],
  source: RecordSource,
  more: Pick<TokenizedExample, 'untrained' | 'values'> = {},
): TokenizedExample {
  const documents = new Int32Array(parts.length + 1)
  parts.forEach(({ ids }, i) => (documents[i + 1] = documents[i] + ids.length))
  const joined = (key: 'ids' | 'labels'): Int32Array =>
    Int32Array.from(parts.flatMap((part) => [...part[key]]))
  return { ids: joined('ids'), labels: joined('labels'), source, documents, ...more }
}
