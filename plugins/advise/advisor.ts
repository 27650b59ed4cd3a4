/**
 * All advisors over the steps of a run: takes steps, gives the events that are new. It writes nothing and changes nothing.
 */
import type { AdviceEvent, AlertEvent, StepReport } from '../../core/mod.ts'
import { adviseLearningRate } from './advise-learning-rate.ts'
import { analyzeCurve } from './analyze-curve.ts'
import { type CurvePoint, pointOf } from './curve-point.ts'
import { findAlerts } from './find-alerts.ts'
import { NO_SPIKE, type SpikeState, watchSpikes } from './watch-spikes.ts'

/** Which advisors speak; default: all. */
export interface AdvisorSwitches {
  readonly learningRate: boolean
  readonly curve: boolean
  readonly alerts: boolean
  readonly spikes: boolean
}

/** Options of `createAdvisor()`. */
export interface AdvisorOptions {
  readonly on?: Partial<AdvisorSwitches>
  readonly warmupSteps?: number
  /** Steps for which something that was told is not told again; default 50. */
  readonly quietSteps?: number
}

/** What an advisor says. */
export type AdvisorEvent = AlertEvent | AdviceEvent

/** Looks at the steps of one run, in their order. */
export interface Advisor {
  onStep(point: CurvePoint): readonly AdvisorEvent[]
}

/** Signs look at no more. */
const REMEMBERED = 400

/**
 * Tells each thing once, and again when it is still so after `quietSteps`.
 *
 * @example
 * ```ts
 * import { createAdvisor } from 'tritune/plugins/advise'
 *
 * const advisor = createAdvisor({ on: { learningRate: false } })
 * const losses = [...Array.from({ length: 20 }, () => 2), 9]
 * const told = losses.flatMap((loss, i) => advisor.onStep({ step: i + 1, loss, gradNorm: 1, learningRate: 1e-3 }))
 * console.log(told.map(({ name }) => name)) // → [ 'loss-spike' ]
 * ```
 */
export function createAdvisor({ on = {}, warmupSteps = 0, quietSteps = 50 }: AdvisorOptions = {}): Advisor {
  const { learningRate = true, curve = true, alerts = true, spikes = true } = on
  const points: CurvePoint[] = []
  const toldAt = new Map<string, number>()
  let spike: SpikeState = NO_SPIKE
  const isNew = ({ name, step }: AdvisorEvent): boolean => {
    const before = toldAt.get(name)
    if (before !== undefined && step - before < quietSteps) return false
    toldAt.set(name, step)
    return true
  }
  const ofSpikes = (point: CurvePoint): AdvisorEvent[] => {
    const { state, event } = watchSpikes(spike, point.loss)
    const before = spike
    spike = state
    if (event === null) return []
    return [spikeEvent(event, point, (state.spike ?? before.spike)?.base ?? Number.NaN)]
  }
  return {
    onStep(point) {
      points.push(point)
      if (points.length > REMEMBERED) points.shift()
      const { step } = point
      const others: AdvisorEvent[] = []
      if (alerts) others.push(...findAlerts(points).map((alert): AlertEvent => ({ type: 'alert', step, ...alert })))
      if (learningRate) others.push(...rateEvents(points, warmupSteps))
      if (curve) others.push(...curveEvents(points))
      return [...(spikes ? ofSpikes(point) : []), ...others.filter(isNew)]
    },
  }
}

/** What `createAdvisor()` says of the steps that a run reports. */
export function adviseStep(advisor: Advisor, report: StepReport): readonly AdvisorEvent[] {
  return advisor.onStep(pointOf(report))
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const SPIKE_NAMES = { spike: 'loss-spike', over: 'loss-spike-over', lasting: 'loss-spike-lasting' } as const

function spikeEvent(event: keyof typeof SPIKE_NAMES, { step, loss }: CurvePoint, base: number): AlertEvent {
  const values = `${loss.toPrecision(4)}${Number.isFinite(base) ? `, before ${base.toPrecision(4)}` : ''}`
  const said = {
    spike: { severity: 'warning', text: `the loss jumped to ${values}` },
    over: { severity: 'info', text: `the loss is back: ${values}` },
    lasting: { severity: 'critical', text: `the loss jumped and has not come back: ${values}` },
  } as const
  return { type: 'alert', step, name: SPIKE_NAMES[event], ...said[event] }
}

function rateEvents(points: readonly CurvePoint[], warmupSteps: number): AdviceEvent[] {
  const advice = adviseLearningRate(points, { warmupSteps })
  if (!advice) return []
  const { severity, text, learningRate, sign } = advice
  return [{ type: 'advice', step: stepOf(points), name: `learning-rate:${sign}`, severity, text, learningRate }]
}

/** Only of what an alert does not tell already. */
function curveEvents(points: readonly CurvePoint[]): AdviceEvent[] {
  const { trend, health } = analyzeCurve(points)
  if (trend !== 'oscillating' && !(health < 0.4)) return []
  return [
    {
      type: 'advice',
      step: stepOf(points),
      name: `curve:${trend}`,
      severity: 'info',
      text: `the curve is ${trend}; its health is ${health.toFixed(2)} of 1`,
    },
  ]
}

function stepOf(points: readonly CurvePoint[]): number {
  return points.at(-1)?.step ?? 0
}
