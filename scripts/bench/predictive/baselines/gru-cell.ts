/**
 * A GRU cell with its gradient, for the world model of baselines/rssm-lite.ts.
 *
 *   z = σ(Wz·x + Uz·h + bz)   r = σ(Wr·x + Ur·h + br)   n = tanh(Wn·x + Un·(r⊙h) + bn)   h' = (1 − z)⊙h + z⊙n
 */

/** Rows of weights for [x; h; 1]. */
export interface GruWeights {
  readonly z: Float64Array
  readonly r: Float64Array
  readonly n: Float64Array
}

/** What a step went through, for its gradient. */
export interface GruStep {
  readonly x: Float64Array
  readonly h: Float64Array
  readonly z: Float64Array
  readonly r: Float64Array
  readonly n: Float64Array
  readonly next: Float64Array
}

/** Uniform ±√(2 / (inputs + hidden)), biases 0; `draw` gives numbers of [0, 1). */
export function gruWeights(inputs: number, hidden: number, draw: () => number): GruWeights {
  const most = Math.sqrt(2 / (inputs + hidden))
  const width = inputs + hidden + 1
  const one = (): Float64Array =>
    Float64Array.from({ length: hidden * width }, (_, i) =>
      i % width === width - 1 ? 0 : most * (2 * draw() - 1),
    )
  return { z: one(), r: one(), n: one() }
}

export function gruStep(weights: GruWeights, x: Float64Array, h: Float64Array): GruStep {
  const z = rows(weights.z, x, h).map(sigmoid)
  const r = rows(weights.r, x, h).map(sigmoid)
  const gated = h.map((value, i) => r[i] * value)
  const n = rows(weights.n, x, gated).map(Math.tanh)
  const next = h.map((value, i) => (1 - z[i]) * value + z[i] * n[i])
  return { x, h, z, r, n, next }
}

/** Of the weights, given that of h'; h before counts as a constant: backpropagation through one step. */
export function gruGradient(
  weights: GruWeights,
  { x, h, z, r, n }: GruStep,
  dNext: Float64Array,
): GruWeights {
  const gated = h.map((value, i) => r[i] * value)
  const dn = dNext.map((d, i) => d * z[i] * (1 - n[i] ** 2))
  const dz = dNext.map((d, i) => d * (n[i] - h[i]) * z[i] * (1 - z[i]))
  const width = x.length + h.length + 1
  const dr = h.map((value, i) => {
    let d = 0
    for (const [row, up] of dn.entries()) d += up * weights.n[row * width + x.length + i]
    return d * value * r[i] * (1 - r[i])
  })
  return { z: outer(dz, x, h), r: outer(dr, x, h), n: outer(dn, x, gated) }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function sigmoid(value: number): number {
  return 1 / (1 + Math.exp(-value))
}

/** Each row times [x; h; 1]. */
function rows(weights: Float64Array, x: Float64Array, h: Float64Array): Float64Array {
  const width = x.length + h.length + 1
  return h.map((_, row) => {
    const start = row * width
    let sum = weights[start + width - 1]
    for (let i = 0; i < x.length; i++) sum += weights[start + i] * x[i]
    for (let i = 0; i < h.length; i++) sum += weights[start + x.length + i] * h[i]
    return sum
  })
}

function outer(d: Float64Array, x: Float64Array, h: Float64Array): Float64Array {
  const width = x.length + h.length + 1
  const all = new Float64Array(d.length * width)
  for (const [row, value] of d.entries()) {
    const start = row * width
    for (let i = 0; i < x.length; i++) all[start + i] = value * x[i]
    for (let i = 0; i < h.length; i++) all[start + x.length + i] = value * h[i]
    all[start + width - 1] = value
  }
  return all
}
