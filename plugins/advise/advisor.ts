/**
 * All advisors over the steps of a run: takes steps, gives the events that are new. It writes nothing and changes nothing.
 */
import type { AdviceEvent, AlertEvent } from '../../core/mod.ts'
import { adviseLearningRate, type LearningRateOptions } from './advise-learning-rate.ts'
import { analyzeCurve } from './analyze-curve.ts'
import type { StepPoint } from './step-point.ts'
import { findAlerts } from './find-alerts.ts'
import { NO_SPIKE, type SpikeState, watchSpikes } from './watch-spikes.ts'

/** The advisors by name. */
export const ADVISORS = ['learning_rate', 'curve', 'alerts', 'spikes'] as const

/** One of them. */
export type AdvisorName = (typeof ADVISORS)[number]

/** Options of `createAdvisor()`. */
export interface AdvisorOptions {
  /** Those that speak; default: all. */
  readonly only?: readonly AdvisorName[]
  readonly warmupSteps?: number
  /** Rate below which the schedule goes on, which may be changed while the run goes; default: the highest of the steps so far. */
  peakRate?(): number
  /** Steps for which something that was told is not told again; default 50. */
  readonly quietSteps?: number
}

/** What an advisor says. */
export type AdvisorEvent = AlertEvent | AdviceEvent

/** Looks at the steps of one run, in their order. */
export interface Advisor {
  onStep(point: StepPoint): readonly AdvisorEvent[]
}

/** Signs look at no more. */
const REMEMBERED = 200
/** Steps between two looks at the curve as a whole, which changes slowly. */
const CURVE_EVERY = 10

/**
 * Tells each thing once, and again when it is still so after `quietSteps`.
 *
 * @example
 * ```ts
 * import { createAdvisor } from 'tritune/plugins/advise'
 *
 * const advisor = createAdvisor({ only: ['spikes'] })
 * const losses = [...Array.from({ length: 20 }, () => 2), 9]
 * const told = losses.flatMap((loss, i) => advisor.onStep({ step: i + 1, loss, gradNorm: 1, learningRate: 1e-3 }))
 * console.log(told.map(({ name }) => name)) // → [ 'loss-spike' ]
 * ```
 */
export function createAdvisor({
  only = ADVISORS,
  warmupSteps = 0,
  quietSteps = 50,
  peakRate: givenPeak,
}: AdvisorOptions = {}): Advisor {
  const on = new Set(only)
  const points: StepPoint[] = []
  const toldAt = new Map<string, number>()
  let spike: SpikeState = NO_SPIKE
  // Of a run that is longer than what is remembered.
  let highest = 0
  const isNew = ({ name, step }: AdvisorEvent): boolean => {
    const before = toldAt.get(name)
    if (before !== undefined && step - before < quietSteps) return false
    toldAt.set(name, step)
    return true
  }
  const ofSpikes = (point: StepPoint): AdvisorEvent[] => {
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
      highest = Math.max(highest, point.learningRate)
      const peakRate = givenPeak?.() ?? highest
      const others: AdvisorEvent[] = []
      if (on.has('alerts'))
        others.push(
          ...findAlerts(points, { peakRate }).map((alert): AlertEvent => ({ type: 'alert', step, ...alert })),
        )
      if (on.has('learning_rate')) others.push(...rateEvents(points, { warmupSteps, peakRate }))
      if (on.has('curve') && (step % CURVE_EVERY === 0 || !Number.isFinite(point.loss)))
        others.push(...curveEvents(points))
      return [...(on.has('spikes') ? ofSpikes(point) : []), ...others.filter(isNew)]
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const SPIKE_NAMES = { spike: 'loss-spike', over: 'loss-spike-over', lasting: 'loss-spike-lasting' } as const

function spikeEvent(event: keyof typeof SPIKE_NAMES, { step, loss }: StepPoint, base: number): AlertEvent {
  const values = `${loss.toPrecision(4)}${Number.isFinite(base) ? `, before ${base.toPrecision(4)}` : ''}`
  const said = {
    spike: { severity: 'warning', text: `the loss jumped to ${values}` },
    over: { severity: 'info', text: `the loss is back: ${values}` },
    lasting: { severity: 'critical', text: `the loss jumped and has not come back: ${values}` },
  } as const
  return { type: 'alert', step, name: SPIKE_NAMES[event], ...said[event] }
}

function rateEvents(points: readonly StepPoint[], options: LearningRateOptions): AdviceEvent[] {
  const advice = adviseLearningRate(points, options)
  if (!advice) return []
  const { severity, text, learningRate, sign } = advice
  return [
    { type: 'advice', step: stepOf(points), name: `learning-rate:${sign}`, severity, text, learningRate },
  ]
}

/** Only of what an alert does not tell already. */
function curveEvents(points: readonly StepPoint[]): AdviceEvent[] {
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

function stepOf(points: readonly StepPoint[]): number {
  return points.at(-1)?.step ?? 0
}
