/**
 * Fair timing on a machine that others use too: programs run in turn, and what counts is the median over the pairs.
 */

export interface Turns {
  /** Measurements made; each program runs once in each. */
  readonly repeat: number
  /** Rounds before that, not counted. */
  readonly warmup?: number
  /** Stops early after this long, but never before three rounds. */
  readonly maxSeconds?: number
}

/** Runs the programs in turn, each round in the reverse order of the one before; returns what each measured. */
export async function inTurn<const K extends string, V>(
  programs: Readonly<Record<K, () => V | Promise<V>>>,
  { repeat, warmup = 1, maxSeconds = Infinity }: Turns,
): Promise<Record<K, V[]>> {
  const names = Object.keys(programs) as K[]
  const results = Object.fromEntries(names.map((name): [string, V[]] => [name, []])) as Record<K, V[]>
  const started = performance.now()
  for (let round = -warmup; round < repeat; round++) {
    if (round >= 3 && (performance.now() - started) / 1000 > maxSeconds) break
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      const value = await programs[name]()
      if (round >= 0) results[name].push(value)
    }
  }
  return results
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

/** Median of a[i] / b[i]: what the two measured in the same round shared the state of the machine. */
export function medianRatio(a: readonly number[], b: readonly number[]): number {
  return median(a.map((value, i) => value / b[i]))
}

/** Seconds that `body` takes. */
export function seconds(body: () => void): number {
  const started = performance.now()
  body()
  return (performance.now() - started) / 1000
}

/** Seconds of one call of `body` among calls that go on for `atLeast` seconds: what ran before has left the caches. */
export function steadySeconds(body: () => void, atLeast: number): number {
  body()
  const started = performance.now()
  let [calls, elapsed] = [0, 0]
  do {
    body()
    calls++
    elapsed = (performance.now() - started) / 1000
  } while (elapsed < atLeast)
  return elapsed / calls
}
