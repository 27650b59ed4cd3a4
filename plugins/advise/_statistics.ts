/**
 * Medians, spreads and lines of short lists of numbers. Losses of steps have long tails, so middles and spreads are those of ranks.
 */

/** Middle of the sorted numbers; NaN of none. */
export function median(xs: readonly number[]): number {
  if (xs.length === 0) return Number.NaN
  // A typed array sorts numbers without calling back.
  const sorted = Float64Array.from(xs).toSorted()
  const half = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2
}

/** Median distance from the median, scaled to the standard deviation of a normal distribution. */
export function spread(xs: readonly number[]): number {
  const middle = median(xs)
  return 1.4826 * median(xs.map((x) => Math.abs(x - middle)))
}

/** A loss as the whole of which others are parts: near 0, where every change would be many times the loss, it is 0.1. */
export function wholeOf(loss: number): number {
  return Math.max(Math.abs(loss), 0.1)
}

export function mean(xs: readonly number[]): number {
  return xs.reduce((sum, x) => sum + x, 0) / xs.length
}

/** Of the mean: its standard error squared. */
export function meanVariance(xs: readonly number[]): number {
  const middle = mean(xs)
  return xs.reduce((sum, x) => sum + (x - middle) ** 2, 0) / (xs.length * Math.max(1, xs.length - 1))
}

/** A straight line through numbers that stand one step apart. */
export interface Line {
  /** At the middle. */
  readonly mean: number
  /** A step. */
  readonly slope: number
  /** Standard error of the slope. */
  readonly slopeError: number
}

/** Least squares; at least three numbers. */
export function fitLine(ys: readonly number[]): Line {
  const middle = (ys.length - 1) / 2
  const average = mean(ys)
  let [along, across] = [0, 0]
  for (const [i, y] of ys.entries()) {
    along += (i - middle) * (y - average)
    across += (i - middle) ** 2
  }
  const slope = along / across
  let rest = 0
  for (const [i, y] of ys.entries()) rest += (y - average - slope * (i - middle)) ** 2
  return { mean: average, slope, slopeError: Math.sqrt(rest / (ys.length - 2) / across) }
}

/** What a line through the medians of both halves leaves of each number: a few that stand out do not turn it, as they would turn that of least squares. */
export function aroundLine(ys: readonly number[]): number[] {
  const half = ys.length >> 1
  const [before, after] = [median(ys.slice(0, half)), median(ys.slice(-half))]
  const slope = half === 0 ? 0 : (after - before) / (ys.length - half)
  const middle = (ys.length - 1) / 2
  return ys.map((y, i) => y - slope * (i - middle))
}
