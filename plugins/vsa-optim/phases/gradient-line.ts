/**
 * A straight line through the last gradients of each parameter, by weighted least squares, and what it missed.
 *
 *   g(t) = b + v·t + r·decay^(t)     weights decay^age over the last `window` gradients, t in steps since the last of them
 *
 * r is an average of (gradient − line) at steps where both are known. A predictor, and not a good one: gradients of small batches are mostly noise,
 * and a line carries that on.
 */

/** The line of all parameters together: they lie in one array. */
export interface GradientLine {
  /** A gradient of step `at`; steps only grow. The oldest behind the window is forgotten. */
  add(gradient: Float32Array, at: number): void
  /** Fits the line to what was added; what was learnt of the last one's error stays. */
  fit(): void
  /** The gradient that the line has for a step. */
  predict(at: number): Float32Array
  /** The gradient that was computed at a step, to learn what the line misses. */
  correct(gradient: Float32Array, at: number): void
}

/** Settings of a line. */
export interface GradientLineOptions {
  /** Gradients that it goes through; at least 1. */
  readonly window: number
  /** Above 0, at most 1. */
  readonly decay: number
  /** The weighted mean instead of a line: v = 0. */
  readonly isFlat?: boolean
}

/** A line for gradients of `length` numbers, with none of them seen yet. */
export function gradientLine(
  length: number,
  { window, decay, isFlat = false }: GradientLineOptions,
): GradientLine {
  const history: { readonly gradient: Float32Array; readonly at: number }[] = []
  let level = new Float32Array(length)
  let slope = new Float32Array(length)
  let fittedAt = 0
  const missed = new Float32Array(length)

  function predict(at: number): Float32Array {
    const t = at - fittedAt
    const fading = decay ** t
    return level.map((b, i) => b + slope[i] * t + missed[i] * fading)
  }

  return {
    add(gradient, at) {
      history.push({ gradient: gradient.slice(), at })
      if (history.length > window) history.shift()
    },
    fit() {
      const last = history[history.length - 1]
      fittedAt = last.at
      const points = history.map(({ gradient, at }) => ({
        gradient,
        t: at - fittedAt,
        weight: decay ** (fittedAt - at),
      }))
      const moment = (power: number): number =>
        points.reduce((sum, { t, weight }) => sum + weight * t ** power, 0)
      const [s0, s1, s2] = [moment(0), moment(1), moment(2)]
      const determinant = s0 * s2 - s1 * s1
      const isLine = determinant > 1e-10
      level = last.gradient.slice()
      slope = new Float32Array(length)
      if (!isLine && !isFlat) return
      for (let i = 0; i < length; i++) {
        let y = 0
        let ty = 0
        for (const { gradient, t, weight } of points) {
          y += weight * gradient[i]
          ty += weight * t * gradient[i]
        }
        level[i] = isFlat ? y / s0 : (s2 * y - s1 * ty) / determinant
        if (!isFlat) slope[i] = (s0 * ty - s1 * y) / determinant
      }
    },
    predict,
    correct(gradient, at) {
      const expected = predict(at)
      for (let i = 0; i < length; i++)
        missed[i] = decay * missed[i] + (1 - decay) * (gradient[i] - expected[i])
    },
  }
}
