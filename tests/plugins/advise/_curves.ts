/**
 * Curves for the tests of the advisors: drawn ones, and those that runs of the bundled model left (scripts/recipes/curves/record.ts).
 */
import { readFileSync } from 'node:fs'
import type { StepPoint } from '../../../plugins/advise/mod.ts'
import { GOLDEN } from '../../_golden.ts'

/** A point for each loss; `others` as they are. */
export function curve(
  losses: readonly number[],
  others: Partial<Omit<StepPoint, 'step' | 'loss'>> = {},
): StepPoint[] {
  return losses.map((loss, i) => ({ step: i + 1, loss, gradNorm: 1, learningRate: 1e-3, ...others }))
}

/** The same numbers between −1 and 1 every time. */
export function noise(count: number, seed = 1): number[] {
  let state = seed
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return (state / 2 ** 31 - 1) * 0.999
  })
}

export interface RecordedCurve {
  readonly name: string
  readonly kind: string
  readonly points: readonly StepPoint[]
  readonly evaluations: readonly (readonly [step: number, loss: number])[]
}

export function recordedCurves(file: 'healthy' | 'unhealthy'): RecordedCurve[] {
  return readFileSync(`${GOLDEN}/curves/${file}.jsonl`, 'utf8').trim().split('\n').map(curveOf)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

interface Line {
  readonly name: string
  readonly kind: string
  readonly loss: readonly number[]
  readonly grad_norm: readonly number[]
  readonly learning_rate: readonly number[]
  readonly evaluations: readonly (readonly [step: number, loss: number])[]
  readonly error?: string
}

/** A run that ended with E_NAN had a loss that was none, which it reports as an error. */
function curveOf(text: string): RecordedCurve {
  const line: Line = JSON.parse(text)
  const points = line.loss.map((loss, i) => ({
    step: i + 1,
    loss,
    gradNorm: line.grad_norm[i],
    learningRate: line.learning_rate[i],
  }))
  const last = points.at(-1)
  const end =
    line.error === 'E_NAN' && last
      ? [{ ...last, step: last.step + 1, loss: Number.NaN, gradNorm: Number.NaN }]
      : []
  return { name: line.name, kind: line.kind, points: [...points, ...end], evaluations: line.evaluations }
}
