/**
 * The search for a learning rate: the same for training that sends everything and for every way that sends less, with as many tries at most.
 */

/** What was found. */
export interface Search<T> {
  /** The rate is that of the beginning times 2 to this power. */
  readonly power: number
  readonly best: T
  /** Both neighbours were tried, and are worse. */
  readonly isInterior: boolean
  readonly tries: number
}

/** From `start` upwards while it gets better, then downwards; `score`: lower is better. */
export function searchRate<T>(
  run: (power: number) => T,
  score: (of: T) => number,
  { start = 0, tries }: { readonly start?: number; readonly tries: number },
): Search<T> {
  const found = new Map<number, T>()
  const at = (power: number): T => {
    const known = found.get(power) ?? run(power)
    found.set(power, known)
    return known
  }
  let power = start
  let best = at(start)
  for (const side of [1, -1])
    while (found.size < tries || found.has(power + side)) {
      const next = at(power + side)
      if (!(score(next) < score(best))) break
      power += side
      best = next
    }
  const isInterior = found.has(power - 1) && found.has(power + 1)
  return { power, best, isInterior, tries: found.size }
}
