/**
 * Examples that are there more than once: equal ones (the same tokens and labels), and, by MinHash, ones that are alike. The first stays.
 */
import { createHash } from 'node:crypto'
import { hasTwin } from './min-hash.ts'
import type { TokenizedExample } from '../types/dataset-type.ts'

/** The examples that stay, and how many do not. */
export interface Deduplicated {
  readonly examples: TokenizedExample[]
  readonly equal: number
  readonly alike: number
}

/** `near`: the part of their runs of tokens that two examples have in common when one of them goes; null: only equal ones go. */
export function deduplicate(
  given: readonly TokenizedExample[],
  { exact, near }: { readonly exact: boolean; readonly near: number | null },
): Deduplicated {
  const unique = exact || near !== null ? withoutEqual(given) : [...given]
  if (near === null) return { examples: unique, equal: given.length - unique.length, alike: 0 }
  const isTwin = hasTwin(unique, near)
  const examples = unique.filter((_, i) => !isTwin(i))
  return { examples, equal: given.length - unique.length, alike: unique.length - examples.length }
}

function withoutEqual(examples: readonly TokenizedExample[]): TokenizedExample[] {
  const seen = new Set<string>()
  return examples.filter(({ ids, labels }) => {
    // 132 bits of SHA-256: no two examples meet by accident.
    const key = createHash('sha256').update(ids).update(labels).digest('base64').slice(0, 22)
    if (seen.has(key)) return false
    seen.add(key)
    return true
  })
}
