/**
 * What a run tells while it goes: monitors print it, draw it, write it to files.
 *
 * Each event is a plain object, valid after the call. A new kind of event is added here; a monitor leaves alone what it does not know.
 */
import type { MemoryReport } from './device.ts'

/**
 * What a run tells while it goes, told apart by `type`: `start`, `step`, `eval`, `sample`, `samples`, `histograms`, `save`, `control`, `alert`, `advice`, `note`,
 * `end`, `error`.
 */
export type RunEvent =
  | StartEvent
  | { readonly type: 'step'; readonly report: StepReport }
  | { readonly type: 'samples'; readonly step: number; readonly samples: readonly WrittenSample[] }
  | EvaluationEvent
  | SampleEvent
  | { readonly type: 'histograms'; readonly step: number; readonly histograms: readonly Histogram[] }
  | { readonly type: 'save'; readonly step: number; readonly folder: string }
  | ControlEvent
  | AlertEvent
  | AdviceEvent
  | { readonly type: 'note'; readonly text: string }
  | { readonly type: 'end'; readonly result: RunResult }
  | { readonly type: 'error'; readonly code: string; readonly message: string }

/** A text that the model wrote for a step, and what the rewards made of it. */
export interface WrittenSample {
  readonly prompt: string
  readonly completion: string
  /** By the name of each reward; null where it did not apply. */
  readonly rewards: Readonly<Record<string, number | null>>
  readonly advantage: number
}

/** A text that the model wrote at an evaluation, so that one sees what it has learnt. */
export interface SampleEvent {
  readonly type: 'sample'
  readonly step: number
  readonly prompt: string
  readonly completion: string
}

/** How the elements of one tensor were spread after a step. */
export interface Histogram {
  readonly step: number
  /** Name of the parameter. */
  readonly name: string
  readonly of: 'weight' | 'gradient'
  /** Borders of the bins, one more than there are counts; the last bin has its upper border. */
  readonly edges: readonly number[]
  readonly counts: readonly number[]
  readonly min: number
  readonly max: number
  readonly mean: number
  readonly std: number
  /** Elements that are NaN or infinite, which no bin has. */
  readonly odd: number
}

/** Somebody who watches the run asked something of it, and this is what became of that. */
export interface ControlEvent {
  readonly type: 'control'
  /** Steps done. */
  readonly step: number
  /** That of the request. */
  readonly id: string
  /** `pause`, `resume`, `save`, `stop` or `set_learning_rate`. */
  readonly action: string
  readonly ok: boolean
  /** Why not. */
  readonly reason?: string
  /** The learning rate that was asked for. */
  readonly value?: number
  /** The learning rate that it takes the place of. */
  readonly before?: number
}

/** How much something matters. */
export type Severity = 'info' | 'warning' | 'critical'

/** Something is odd about the run. */
export interface AlertEvent {
  readonly type: 'alert'
  readonly step: number
  /** What kind of alert: `loss-spike`, `plateau`, … */
  readonly name: string
  readonly severity: Severity
  readonly text: string
}

/** Something that may make the run better; nothing is changed by it. */
export interface AdviceEvent {
  readonly type: 'advice'
  readonly step: number
  readonly name: string
  readonly severity: Severity
  readonly text: string
  /** The learning rate that is advised. */
  readonly learningRate?: number
}

/** The event before the first step: where the run starts, and what describes it. */
export interface StartEvent {
  readonly type: 'start'
  /** Steps done before: 0, or the step that a checkpoint was made at. */
  readonly step: number
  readonly totalSteps: number
  readonly outputDir: string
  /** The lines that describe the run for people; made when they are read. */
  readonly summary: readonly string[]
}

/** The result of one evaluation on the validation set. */
export interface EvaluationEvent {
  readonly type: 'eval'
  readonly step: number
  /** Mean over the trained tokens of the validation set, in nats; of a loss over examples the mean over those. */
  readonly loss: number
  /** exp(loss); null where the loss is not that of tokens. */
  readonly perplexity: number | null
  readonly tokens: number
  /** What the objective reports besides, by name. */
  readonly metrics?: Readonly<Record<string, number>>
  /** True when no evaluation before was better. */
  readonly best: boolean
}

/** What became of one optimizer step. */
export interface StepReport {
  /** 1-based. */
  readonly step: number
  readonly totalSteps: number
  readonly epoch: number
  /** Mean loss over the trained tokens of the window, in nats. */
  readonly loss: number
  readonly learningRate: number
  /** Before clipping; NaN when nothing measured it. */
  readonly gradNorm: number
  /** Tokens of the window, trained or not. */
  readonly tokens: number
  readonly trainedTokens: number
  readonly seconds: number
  /** Of a GPU, after the step. */
  readonly memory: MemoryReport | null
  /** What objective, transforms and strategies report besides, by name. */
  readonly metrics: Readonly<Record<string, number>>
}

/** How a run ended: its losses, and where its result lies. */
export interface RunResult {
  readonly steps: number
  /** True when the run was asked to stop before its end. */
  readonly stopped: boolean
  /** Mean loss of the last step. */
  readonly loss: number
  readonly best: { readonly loss: number; readonly step: number } | null
  /** Where the adapter or model is. */
  readonly outputDir: string
  /** Checkpoint to resume from after a stop. */
  readonly checkpoint: string | null
  /** The newest upload of a run with `hub_model_id`: its address, or why it failed; null when there was none. */
  readonly pushed: {
    readonly repo: string
    readonly url: string | null
    readonly error: string | null
  } | null
}
