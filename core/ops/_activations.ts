/**
 * Scalar functions and their slopes in f64, shared by the references of unary and gated ops.
 */

/** An activation: f(x) and f′(x). */
export interface Curve {
  readonly value: (x: number) => number
  readonly slope: (x: number) => number
}

export function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x))
}

export const silu: Curve = {
  value: (x) => x * sigmoid(x),
  slope: (x) => sigmoid(x) * (1 + x * (1 - sigmoid(x))),
}

/** x·Φ(x), exact */
export const geluErf: Curve = {
  value: (x) => 0.5 * x * erfc(-x * Math.SQRT1_2),
  slope: (x) => 0.5 * erfc(-x * Math.SQRT1_2) + (x * Math.exp((-x * x) / 2)) / Math.sqrt(2 * Math.PI),
}

const C = Math.sqrt(2 / Math.PI)

/** x·Φ(x) by Hendrycks' tanh approximation (arXiv 1606.08415) */
export const geluTanh: Curve = {
  value: (x) => 0.5 * x * (1 + Math.tanh(C * (x + 0.044715 * x ** 3))),
  slope(x) {
    const t = Math.tanh(C * (x + 0.044715 * x ** 3))
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * C * (1 + 3 * 0.044715 * x * x)
  },
}

/** 1 − erf(x): Taylor series near 0, continued fraction further out; relative error below 1e-13. */
export function erfc(x: number): number {
  if (x < 0) return 2 - erfc(-x)
  if (x < 2) {
    let term = x
    let sum = x
    for (let n = 1; Math.abs(term) > 1e-18 * Math.abs(sum); n++) {
      term *= (-x * x) / n
      sum += term / (2 * n + 1)
    }
    return 1 - (2 / Math.sqrt(Math.PI)) * sum
  }
  let fraction = 0
  for (let n = 120; n > 0; n--) fraction = n / 2 / (x + fraction)
  return Math.exp(-x * x) / Math.sqrt(Math.PI) / (x + fraction)
}
