/**
 * The best few of many scores.
 */

/** Places of the k largest scores, best first, and of equal ones the earlier first; all of them where there are fewer than k. */
export function topMatches(scores: ArrayLike<number>, k: number): number[] {
  const best: number[] = []
  for (let i = 0; i < scores.length; i++) {
    if (best.length === k && scores[i] <= scores[best[k - 1]]) continue
    let at = best.length
    while (at > 0 && scores[best[at - 1]] < scores[i]) at--
    best.splice(at, 0, i)
    if (best.length > k) best.pop()
  }
  return best
}
