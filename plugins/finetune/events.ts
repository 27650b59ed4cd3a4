/**
 * What a run tells while it goes; scripts print it, monitors draw it.
 */
import type { MemoryReport } from '../../core/mod.ts'

export type RunEvent =
  | { readonly type: 'step'; readonly report: StepReport }
  | {
      readonly type: 'eval'
      readonly step: number
      readonly loss: number
      readonly perplexity: number
      readonly tokens: number
      readonly best: boolean
    }
  | { readonly type: 'save'; readonly step: number; readonly folder: string }
  | { readonly type: 'note'; readonly text: string }

export interface StepReport {
  /** 1-based. */
  readonly step: number
  readonly totalSteps: number
  readonly epoch: number
  /** Mean loss over the trained tokens of the window, in nats. */
  readonly loss: number
  readonly learningRate: number
  readonly gradNorm: number
  /** Tokens of the window, trained or not. */
  readonly tokens: number
  readonly trainedTokens: number
  readonly seconds: number
  /** Of a GPU, after the step. */
  readonly memory: MemoryReport | null
}

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
}
