/**
 * What is told of a run: its record, its curves, what it wrote, how it was measured, how it is made again. From the files of its folder alone.
 */
import { readRun, readRunLines, type EventLine, type MetricsLine, type RunRecord } from '../../runs/mod.ts'
import type { ModelEvaluation } from '../evaluate-model.ts'
import type { Curve } from './line-chart.ts'
import { readEvaluation } from './read-evaluation.ts'

/** A chart: curves that share an axis. */
export interface ReportChart {
  readonly title: string
  readonly curves: readonly Curve[]
}

/** A text that the model wrote during the run. */
export interface ReportSample {
  readonly step: number
  readonly prompt: string
  readonly completion: string
}

/** What the page shows. */
export interface RunReport {
  readonly run: RunRecord
  readonly charts: readonly ReportChart[]
  /** The newest ones. */
  readonly samples: readonly ReportSample[]
  readonly evaluation: ModelEvaluation | null
  /** Notes, alerts and what was asked of the run. */
  readonly events: readonly EventLine[]
}

/**
 * Reads the folder of a run. Throws E_FILE where there is no run, E_FORMAT for an evaluation that is none.
 *
 * @example
 * ```ts
 * import { runReport } from 'tritune/plugins/evaluate'
 * import { listRuns } from 'tritune/plugins/runs'
 *
 * for (const { folder } of listRuns(['./outputs'])) console.log(runReport(folder).run.run_name)
 * ```
 */
export function runReport(folder: string): RunReport {
  const run = readRun(folder)
  const metrics = readRunLines(folder, 'metrics')
  const events = readRunLines(folder, 'events')
  const curve = (name: string, key: string): Curve => ({ name, points: thinned(pointsOf(metrics, key)) })
  return {
    run,
    charts: [
      { title: 'loss', curves: [curve('training', 'loss'), curve('evaluation', 'eval_loss')] },
      { title: 'reward', curves: [curve('reward', 'reward')] },
      { title: 'learning rate', curves: [curve('learning rate', 'learning_rate')] },
      { title: 'gradient norm', curves: [curve('gradient norm', 'grad_norm')] },
      { title: 'tokens per second', curves: [curve('tokens per second', 'tokens_per_second')] },
    ],
    samples: events.flatMap(sampleOf).slice(-MOST_SAMPLES),
    evaluation: readEvaluation(folder),
    events: events.filter(({ type }) => TOLD.has(type)).slice(-MOST_EVENTS),
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const MOST_SAMPLES = 12
const MOST_EVENTS = 50
const MOST_POINTS = 400
const TOLD: ReadonlySet<string> = new Set(['note', 'alert', 'advice', 'control', 'error', 'save'])

function pointsOf(metrics: readonly MetricsLine[], key: string): Curve['points'] {
  return metrics.flatMap((line): Curve['points'] => {
    const value = line[key]
    return typeof value === 'number' ? [[line.step, value]] : []
  })
}

/** Means of neighbours, so that a chart has no more points than it can show. */
function thinned(points: Curve['points']): Curve['points'] {
  const stride = Math.ceil(points.length / MOST_POINTS)
  if (stride <= 1) return points
  return Array.from({ length: Math.ceil(points.length / stride) }, (_, i) => {
    const part = points.slice(i * stride, (i + 1) * stride)
    const mean = (of: 0 | 1): number => part.reduce((sum, point) => sum + point[of], 0) / part.length
    return [mean(0), mean(1)] as const
  })
}

function sampleOf({ type, step, prompt, completion }: EventLine): ReportSample[] {
  return type === 'sample' && typeof prompt === 'string' && typeof completion === 'string'
    ? [{ step, prompt, completion }]
    : []
}
