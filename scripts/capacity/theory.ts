/**
 * How often an item memory finds the right one of N random items, exactly.
 *
 * Items are D independent trits, a third each. The query is one of them, where each dimension became one of the other two trits with
 * probability ν. Given a query with m dimensions that are not 0:
 *
 *   the inner product with the right item is a sum of m independent values, 1 with 1 − ν, 0 with ν/2, −1 with ν/2 (by the symmetry of
 *   the noise that is also what the item has where the query has its trit);
 *   that with another item is a sum of m independent uniform trits, and the N − 1 others are independent of each other.
 *
 * The right one is found when no other has more, and among t equals with 1/(t + 1). So with a(s) = P(another > s) and e(s) = P(another = s)
 *
 *   recall = Σ_m Binomial(m; D, 2/3) Σ_s P(right = s | m) · ((1 − a)ᴺ − (1 − a − e)ᴺ) / (N e)
 *
 * With normal distributions in the place of the sums it is the integral of signal detection that Frady, Kleyko, Sommer 2018 (Neural
 * Computation 30(6), "A Theory of Sequence Indexing and Working Memory in Recurrent Neural Networks") use; that the dimensions needed
 * grow with log N is in Kanerva 2009 (Cognitive Computation 1) and, with constants, in Thomas, Dasgupta, Rosing 2021 (JAIR 72).
 */

export interface MemoryLoad {
  readonly dims: number
  readonly items: number
  /** The probability that a dimension of the query is wrong. */
  readonly noise: number
}

const DENSITY = 2 / 3
/** Likelihoods below it change no digit that is drawn. */
const NEGLIGIBLE = 1e-12

/** The share of queries whose item is found. */
export function recallOf({ dims, items, noise }: MemoryLoad): number {
  let recall = 0
  // Of sums of m: index s + m.
  let right = [1]
  let other = [1]
  for (let m = 0; m <= dims; m++) {
    if (m > 0) {
      right = withOneMore(right, noise / 2, noise / 2, 1 - noise)
      other = withOneMore(other, 1 / 3, 1 / 3, 1 / 3)
    }
    const weight = binomial(dims, m, DENSITY)
    if (weight > NEGLIGIBLE) recall += weight * foundOf(right, other, items)
  }
  return recall
}

/** The most items of which the share `recall` is found: the search stops at `limit`. */
export function capacityOf(dims: number, noise: number, recall: number, limit: number): number {
  let [few, many] = [1, limit]
  if (recallOf({ dims, items: limit, noise }) >= recall) return limit
  while (many - few > Math.max(1, few / 100)) {
    const middle = Math.round(Math.sqrt(few * many))
    if (middle === few || middle === many) break
    if (recallOf({ dims, items: middle, noise }) >= recall) few = middle
    else many = middle
  }
  return few
}

/** Distribution of a sum → that with one more value of −1, 0, 1. */
function withOneMore(sum: readonly number[], minus: number, zero: number, plus: number): number[] {
  const next = Array.from({ length: sum.length + 2 }, () => 0)
  for (const [i, p] of sum.entries()) {
    next[i] += p * minus
    next[i + 1] += p * zero
    next[i + 2] += p * plus
  }
  return next
}

/** From the largest sum down: what lies above is small there, and stays exact. */
function foundOf(right: readonly number[], other: readonly number[], items: number): number {
  let [found, above] = [0, 0]
  for (let i = other.length - 1; i >= 0; i--) {
    const equal = other[i]
    const upTo = Math.log1p(-Math.min(1, above))
    const below = Math.log1p(-Math.min(1, above + equal))
    // (1 − above)ᴺ − (1 − above − equal)ᴺ, without losing what a small difference has.
    const difference = -Math.exp(items * upTo) * Math.expm1(items * (below - upTo))
    if (upTo !== -Infinity) found += (right[i] * difference) / (items * equal)
    above += equal
  }
  return found
}

function binomial(n: number, k: number, p: number): number {
  let log = k * Math.log(p) + (n - k) * Math.log1p(-p)
  for (let i = 1; i <= k; i++) log += Math.log(n - k + i) - Math.log(i)
  return Math.exp(log)
}
