/**
 * Named baseline: the world model of hybrid-predict-trainer-rs, which says how the loss goes on and for how many steps it may be trusted. It predicts no weights
 * that anything could be trained with (its changes reached no parameter there), so it is measured as what it can be: a forecast of the loss.
 *
 *   h ← GRU(features, h)     s = softmax of 32 entries of h     c = [h; s]     L̂ = L · exp(clamp(w·c, ±10))     three of them, one w
 *
 * Trained by SGD through one step. Claimed for it: 5 to 10 × faster training.
 */
import { createRandom } from '../../../../core/mod.ts'
import { type GruStep, gruGradient, gruStep, type GruWeights, gruWeights } from './gru-cell.ts'

/** Sizes and rates, as there. */
export interface RssmOptions {
  readonly inputs?: number
  readonly hidden?: number
  readonly members?: number
  readonly learningRate?: number
  readonly clip?: number
  readonly seed?: number
}

const STOCHASTIC = 32
const MOST = 10

/** A forecast of losses. */
export interface RssmLite {
  /** The features after a step with this loss: learns from what it had said, and goes on. */
  observe(features: Float64Array, loss: number): void
  /** The losses of the next steps, and what the members differ by. */
  rollout(steps: number): { readonly losses: readonly number[]; readonly spread: number }
}

export function rssmLite({
  inputs = 64,
  hidden = 256,
  members = 3,
  learningRate = 1e-3,
  clip = 5,
  seed = 1,
}: RssmOptions = {}): RssmLite {
  const random = createRandom(seed, 'rssm')
  const cells = Array.from({ length: members }, () => gruWeights(inputs, hidden, () => random.float()))
  // At first it says that the loss stays.
  const head = new Float64Array(hidden + STOCHASTIC)
  let states = cells.map((): Float64Array => new Float64Array(hidden))
  let last: {
    readonly steps: readonly GruStep[]
    readonly loss: number
    readonly features: Float64Array
  } | null = null

  const learn = (target: number): void => {
    if (last === null) return
    const { steps, loss } = last
    const headGradient = new Float64Array(head.length)
    for (const [i, step] of steps.entries()) {
      const { cell, head: own } = lossGradient(cells[i], head, step, { loss, target })
      for (const [k, value] of own.entries()) headGradient[k] += value / members
      const factor = learningRate * Math.min(1, clip / (normOf([cell.z, cell.r, cell.n, own]) + 1e-12))
      for (const part of ['z', 'r', 'n'] as const) addTo(cells[i][part], cell[part], -factor)
    }
    addTo(head, headGradient, -learningRate * Math.min(1, clip / (normOf([headGradient]) + 1e-12)))
  }

  return {
    observe(features, loss) {
      learn(loss)
      const steps = cells.map((cell, i) => gruStep(cell, features, states[i]))
      states = steps.map(({ next }) => next)
      last = { steps, loss, features }
    },
    rollout(steps) {
      if (last === null) return { losses: [], spread: 0 }
      const { features } = last
      const runs = cells.map((cell, i) => {
        const losses: number[] = []
        let h: Float64Array = states[i]
        let loss = last?.loss ?? 0
        for (let step = 0; step < steps; step++) {
          loss = nextLoss(head, h, loss)
          losses.push(loss)
          const x = Float64Array.from(features)
          x[0] = loss
          h = gruStep(cell, x, h).next
        }
        return losses
      })
      const means = Array.from({ length: steps }, (_, step) => meanOf(runs.map((run) => run[step])))
      const ends = runs.map((run) => run[steps - 1])
      const spread = Math.sqrt(meanOf(ends.map((end) => (end - means[steps - 1]) ** 2)))
      return { losses: means, spread }
    },
  }
}

/** L·exp(w·[h; s]). */
export function nextLoss(head: Float64Array, h: Float64Array, loss: number): number {
  return loss * Math.exp(clamped(dot(head, combined(h))))
}

/** Of (L̂ − target)². */
export function lossGradient(
  cell: GruWeights,
  head: Float64Array,
  step: GruStep,
  { loss, target }: { readonly loss: number; readonly target: number },
): { readonly cell: GruWeights; readonly head: Float64Array } {
  const c = combined(step.next)
  const raw = dot(head, c)
  const predicted = loss * Math.exp(clamped(raw))
  const d = Math.abs(raw) < MOST ? 2 * (predicted - target) * predicted : 0
  const hidden = step.next.length
  const dh = Float64Array.from(step.next, (_, i) => d * head[i])
  // Through the softmax: s ⊙ (w − s·w).
  const s = c.subarray(hidden)
  const w = head.subarray(hidden)
  const weighted = dot(s, w)
  for (const [k, share] of s.entries()) dh[picked(k, hidden)] += d * share * (w[k] - weighted)
  return { cell: gruGradient(cell, step, dh), head: c.map((value) => d * value) }
}

/** How far it is trusted: of `spread`, the errors so far, and how calm the loss is. */
export function confidenceOf({
  spread,
  errors,
  fast,
  slow,
}: {
  readonly spread: number
  readonly errors: readonly number[]
  /** Averages of the loss, by .25 and .015625. */
  readonly fast: number
  readonly slow: number
}): number {
  const uncertainty = spread * (1 + 0.1 * Math.sqrt(10))
  const history = errors.length < 10 ? 0.7 : Math.min(0.99, 1 / (1 + meanOf(errors.slice(-50))))
  const calm = Math.max(0.5, 1 / (1 + (2 * Math.abs(fast - slow)) / slow))
  return 0.4 / (1 + uncertainty) + 0.4 * history + 0.2 * calm
}

/** Steps that it would have predicted; 0 below the confidence that it asks for. */
export function horizonOf(confidence: number, most = 15): number {
  return confidence < 0.85 ? 0 : Math.min(most, Math.max(10, Math.floor(most * confidence ** 2)))
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** h and the softmax over entries of it that lie evenly apart: called stochastic there, and drawn from nothing. */
function combined(h: Float64Array): Float64Array {
  const c = new Float64Array(h.length + STOCHASTIC)
  c.set(h)
  const entries = Array.from({ length: STOCHASTIC }, (_, k) => h[picked(k, h.length)])
  const most = Math.max(...entries)
  const exps = entries.map((value) => Math.exp(value - most))
  const sum = exps.reduce((total, value) => total + value, 0)
  for (const [k, value] of exps.entries()) c[h.length + k] = value / sum
  return c
}

function picked(k: number, hidden: number): number {
  return Math.floor((k * hidden) / STOCHASTIC)
}

function clamped(value: number): number {
  return Math.max(-MOST, Math.min(MOST, value))
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i]
  return sum
}

function addTo(target: Float64Array, other: Float64Array, factor: number): void {
  for (let i = 0; i < target.length; i++) target[i] += factor * other[i]
}

function normOf(parts: readonly Float64Array[]): number {
  return Math.sqrt(parts.reduce((sum, part) => sum + dot(part, part), 0))
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}
