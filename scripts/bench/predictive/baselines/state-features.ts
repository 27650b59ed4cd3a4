/**
 * The features of hybrid-predict-trainer-rs: 26 numbers of the losses and gradient norms so far, raw as there, and 38 zeros.
 */

/** The trainer there never fills those of the optimizer. */
const SIZE = 64

/** After the step whose loss and norm are the last ones; the last 256 of each count. */
export function stateFeatures(losses: readonly number[], gradNorms: readonly number[]): Float64Array {
  const features = new Float64Array(SIZE)
  const [l, g] = [losses.slice(-256), gradNorms.slice(-256)]
  const [loss, norm] = [l[l.length - 1], g[g.length - 1]]
  const recent = meanOf(l.slice(-16))
  const before = l.length > 16 ? meanOf(l.slice(-32, -16)) : recent
  const [ofLoss, ofNorm] = [l, g].map((values) => [
    meanOf(values),
    deviationOf(values),
    Math.min(...values),
    Math.max(...values),
  ])
  features.set([loss, ...ofLoss, recent - before, recent / before, losses.length / 1e4])
  const [mean, deviation] = ofNorm
  features.set(
    [
      norm,
      ...ofNorm,
      Math.log10(norm + 1e-12),
      Math.min(10, norm / (mean + 1e-12)),
      deviation / (mean + 1e-12),
    ],
    8,
  )
  // Phase FULL, and how long.
  features.set([1, losses.length / 100], 24)
  return features
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

function deviationOf(values: readonly number[]): number {
  const mean = meanOf(values)
  return Math.sqrt(meanOf(values.map((value) => (value - mean) ** 2)))
}
