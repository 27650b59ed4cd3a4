/**
 * What is odd in the last steps of a run and should be told: no plateau goes unseen, nor a gradient of nothing. Spikes of the loss have a watchdog
 * of their own. docs/advise/alerts.md
 */
import type { Severity } from '../../core/mod.ts'
import { peakOf, type StepPoint } from './step-point.ts'
import { plateauOf } from './signs/plateau.ts'
import { riseOf } from './signs/rise.ts'

/** The kinds of alerts. */
export type AlertName =
  | 'non-finite-loss'
  | 'diverging'
  | 'plateau'
  | 'gradient-norm-high'
  | 'gradient-norm-low'
  | 'memory'

/** One thing that is odd. */
export interface Alert {
  readonly name: AlertName
  readonly severity: Severity
  readonly text: string
}

/** Options of `findAlerts()`. */
export interface AlertOptions {
  /** Steps of a plateau; default 100. */
  readonly plateauSteps?: number
  /** Rate below which the schedule goes on; default: the highest of the points. Where a step has less than its half there is no plateau. */
  readonly peakRate?: number
  /** Three gradient norms in a row above this; default 100. */
  readonly gradNormHigh?: number
  /** Three gradient norms in a row below this; default 1e-6. */
  readonly gradNormLow?: number
  /** More of the memory of a GPU than this part; default 0.9. */
  readonly memoryPart?: number
}

const IN_A_ROW = 3
const DIVERGING = 0.15
const LOST = 0.5

/**
 * All that is odd now, the worst first. The same alert comes as long as what it tells of lasts: who tells people says it once.
 *
 * @example
 * ```ts
 * import { findAlerts } from 'tritune/plugins/advise'
 *
 * const alerts = findAlerts([{ step: 1, loss: Number.NaN, gradNorm: 1, learningRate: 1e-3 }])
 * console.log(alerts.map(({ name }) => name)) // → [ 'non-finite-loss' ]
 * ```
 */
export function findAlerts(
  points: readonly StepPoint[],
  {
    plateauSteps = 100,
    peakRate = peakOf(points),
    gradNormHigh = 100,
    gradNormLow = 1e-6,
    memoryPart = 0.9,
  }: AlertOptions = {},
): Alert[] {
  const last = points.at(-1)
  if (!last) return []
  const alerts: Alert[] = []
  if (!Number.isFinite(last.loss))
    alerts.push({
      name: 'non-finite-loss',
      severity: 'critical',
      text: `the loss of step ${last.step} is ${last.loss}`,
    })
  const rise = riseOf(points)
  if (rise > DIVERGING)
    alerts.push({
      name: 'diverging',
      severity: rise > LOST ? 'critical' : 'warning',
      text: `the loss is ${(100 * rise).toFixed(0)} % above its lowest`,
    })
  const norms = points.slice(-IN_A_ROW).map(({ gradNorm }) => gradNorm)
  if (norms.length === IN_A_ROW && norms.every((norm) => norm > gradNormHigh))
    alerts.push({
      name: 'gradient-norm-high',
      severity: 'warning',
      text: `the gradient norm was above ${gradNormHigh} in ${IN_A_ROW} steps, now ${last.gradNorm.toPrecision(3)}`,
    })
  if (norms.length === IN_A_ROW && norms.every((norm) => norm < gradNormLow))
    alerts.push({
      name: 'gradient-norm-low',
      severity: 'warning',
      text: `the gradient norm was below ${gradNormLow} in ${IN_A_ROW} steps: nothing is learnt`,
    })
  const taken = last.memoryPart ?? 0
  if (taken > memoryPart)
    alerts.push({
      name: 'memory',
      severity: 'warning',
      text: `${(100 * taken).toFixed(0)} % of the memory of the device is taken`,
    })
  if (plateauOf(points, { steps: plateauSteps, leastFall: 0.02, peakRate }) !== null)
    alerts.push({
      name: 'plateau',
      severity: 'info',
      text: `the loss has not fallen in ${plateauSteps} steps`,
    })
  return alerts
}
