/**
 * A weighted mixture: of the examples of several entries as many as there are together, in the shares of their weights. An entry whose
 * share is larger than it is comes again, one whose share is smaller is drawn from, by the seed.
 */
import { createRandom } from '../../../core/tensor/random.ts'

/** The examples of an entry and its weight; null: none is given. */
export interface WeightedEntry<T> {
  readonly examples: readonly T[]
  readonly weight: number | null
}

/** Whether any entry has a weight. The others then have 1. */
export function isMixture(entries: readonly { readonly weight: number | null }[]): boolean {
  return entries.some(({ weight }) => weight !== null)
}

/** Parts of `total` in the shares of the weights, to the nearest whole numbers that add up. */
export function sharesOf(total: number, weights: readonly number[]): number[] {
  const sum = weights.reduce((all, weight) => all + weight, 0)
  const exact = weights.map((weight) => (total * weight) / sum)
  const shares = exact.map(Math.floor)
  const left = total - shares.reduce((all, share) => all + share, 0)
  const byRest = exact.map((share, i) => [share - shares[i], i] as const)
  for (const [, i] of byRest.toSorted(([a], [b]) => b - a).slice(0, left)) shares[i]++
  return shares
}

/** As many examples as before, in the order of the entries. */
export function mixEntries<T>(entries: readonly WeightedEntry<T>[], seed: number): T[] {
  const total = entries.reduce((sum, { examples }) => sum + examples.length, 0)
  const shares = sharesOf(
    total,
    entries.map(({ weight }) => weight ?? 1),
  )
  return entries.flatMap(({ examples }, i) => taken(examples, shares[i], seed, i))
}

function taken<T>(examples: readonly T[], count: number, seed: number, entry: number): T[] {
  const { length } = examples
  const order = Array.from(examples.keys())
  const rest = createRandom(seed, `mixture of entry ${entry}`)
    .shuffle(order)
    .slice(0, count % length)
    .toSorted((a, b) => a - b)
  const whole = Array.from({ length: Math.floor(count / length) }, () => examples).flat()
  return [...whole, ...rest.map((i) => examples[i])]
}
