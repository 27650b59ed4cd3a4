/**
 * The mean of a few seeds, and where the mean of all seeds is likely to be: Student's t, since two or three seeds tell little of their spread.
 */

/** Between `low` and `high` with 95 %; of one value nothing is known, and they are infinite. */
export interface MeanInterval {
  readonly mean: number
  readonly low: number
  readonly high: number
}

/** Quantiles of 97.5 % for 1, 2, … degrees of freedom; after those the normal one is near enough. */
const STUDENT = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262]
const NORMAL = 1.96

export function meanInterval(values: readonly number[]): MeanInterval {
  const n = values.length
  const mean = values.reduce((sum, value) => sum + value, 0) / n
  if (n < 2) return { mean, low: -Infinity, high: Infinity }
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1)
  const half = (STUDENT[n - 2] ?? NORMAL) * Math.sqrt(variance / n)
  return { mean, low: mean - half, high: mean + half }
}
