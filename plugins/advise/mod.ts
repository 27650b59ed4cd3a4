/**
 * What a loss curve tells: advice on the learning rate, a look at the curve, alerts, a watchdog of spikes. See README.md.
 *
 * @module
 */
export {
  adviseLearningRate,
  type LearningRateAdvice,
  type LearningRateOptions,
} from './advise-learning-rate.ts'
export {
  type Advisor,
  type AdvisorEvent,
  type AdvisorOptions,
  type AdvisorName,
  ADVISORS,
  createAdvisor,
} from './advisor.ts'
export { analyzeCurve, type CurveAnalysis, type CurveOptions, type CurveTrend } from './analyze-curve.ts'
export { type StepPoint, pointOf } from './step-point.ts'
export { type Alert, type AlertName, type AlertOptions, findAlerts } from './find-alerts.ts'
export { NO_SPIKE, type SpikeEvent, type SpikeOptions, type SpikeState, watchSpikes } from './watch-spikes.ts'
