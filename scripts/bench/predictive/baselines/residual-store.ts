/**
 * Named baseline: the residual store of hybrid-predict-trainer-rs, which corrects a forecast of the loss by what earlier ones in like states missed.
 *
 *   history = mean of the 10 residuals whose features are nearest by cosine, weights .95^(steps / 100)·confidence
 *   model   = linear regression on the features, by SGD at .01
 *   correction = clamp((.7·history + .3·model) · (.5 + min(|history|, 1)), ± .2·loss)
 *
 * There it never changed weights (a cosine of 1 was written into the formula); here it corrects losses.
 */

/** What a forecast missed. */
export interface Residual {
  readonly step: number
  readonly features: Float64Array
  /** Loss − forecast. */
  readonly residual: number
  readonly confidence: number
}

/** The last residuals. */
export interface ResidualStore {
  add(residual: Residual): void
  /** What to add to a forecast. */
  correction(now: { readonly step: number; readonly features: Float64Array; readonly loss: number }): number
}

const CAPACITY = 1000
const NEAREST = 10
const RATE = 0.01
const FORGETTING = 0.95

export function residualStore(): ResidualStore {
  const kept: Residual[] = []
  let model: Float64Array | null = null
  return {
    add(residual) {
      kept.push(residual)
      if (kept.length > CAPACITY) kept.shift()
      const { features } = residual
      model ??= new Float64Array(features.length)
      const error = residual.residual - dot(model, features)
      for (let i = 0; i < model.length; i++) model[i] += RATE * error * features[i]
    },
    correction({ step, features, loss }) {
      if (kept.length === 0 || model === null) return 0
      const nearest = kept
        .map((one) => ({ one, cosine: cosine(one.features, features) }))
        .toSorted((a, b) => b.cosine - a.cosine)
        .slice(0, NEAREST)
      let [sum, weights] = [0, 0]
      for (const { one } of nearest) {
        const weight = FORGETTING ** ((step - one.step) / 100) * one.confidence
        sum += weight * one.residual
        weights += weight
      }
      const history = weights > 0 ? sum / weights : 0
      const both = 0.7 * history + 0.3 * dot(model, features)
      const most = 0.2 * Math.abs(loss)
      return Math.max(-most, Math.min(most, both * (0.5 + Math.min(Math.abs(history), 1))))
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i]
  return sum
}

function cosine(a: Float64Array, b: Float64Array): number {
  const lengths = Math.sqrt(dot(a, a) * dot(b, b))
  return lengths > 0 ? dot(a, b) / lengths : 0
}
