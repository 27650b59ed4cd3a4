/**
 * The rate of a link below which sending less is faster, from times of steps that were measured at several rates.
 *
 *   seconds of a step = a + b / rate, by least squares of what the error is of the time
 */

/** A step at a rate. */
export interface StepAtRate {
  readonly bitsPerSecond: number
  readonly seconds: number
}

/** Bits a second. Infinity: faster over any link; 0: over none. At least two rates. */
export function breakEven(dense: readonly StepAtRate[], own: readonly StepAtRate[]): number {
  const [all, less] = [fitted(dense), fitted(own)]
  const saved = all.perRate - less.perRate
  const more = less.base - all.base
  // A billionth is what rounding leaves.
  const isDearer = more > 1e-9 * all.base
  if (saved <= 0) return more < 0 ? Infinity : 0
  return isDearer ? saved / more : Infinity
}

/** For people. */
export function formatBreakEven(bitsPerSecond: number): string {
  if (bitsPerSecond === Infinity) return 'faster at every rate'
  if (bitsPerSecond === 0) return 'faster at no rate'
  const megabits = bitsPerSecond / 1e6
  return `faster below ${megabits >= 1000 ? `${(megabits / 1000).toFixed(1)} Gb/s` : `${megabits.toFixed(0)} Mb/s`}`
}

// ---- helpers ----------------------------------------------------------------------------------------------------

interface Line {
  readonly base: number
  readonly perRate: number
}

/** Relative errors count, so that slow links do not decide alone. */
function fitted(points: readonly StepAtRate[]): Line {
  let [ww, wx, wxx, wy, wxy] = [0, 0, 0, 0, 0]
  for (const { bitsPerSecond, seconds } of points) {
    const x = 1 / bitsPerSecond
    const weight = 1 / seconds ** 2
    ww += weight
    wx += weight * x
    wxx += weight * x * x
    wy += weight * seconds
    wxy += weight * x * seconds
  }
  const perRate = (ww * wxy - wx * wy) / (ww * wxx - wx * wx)
  return { base: (wy - perRate * wx) / ww, perRate }
}
