/**
 * Whole runs of a tiny model for the tests of training: a folder with model and data, and a configuration.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Device, RunEvent, RunResult } from '../../../core/mod.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import {
  type FinetuneConfig,
  finetuneConfig,
  type FinetuneInput,
  prepareRun,
  train,
  type TrainOptions,
} from '../../../plugins/finetune/mod.ts'
import { temporaryFolder } from '../../_golden.ts'
import { writeTinyModel } from '../../_tiny.ts'

/** Keys of the YAML file. */
export type Changes = Readonly<Record<string, unknown>>

export const cpu: Device = openCpu()

export interface Workspace extends Disposable {
  readonly path: string
  /** A small LoRA run; `changes` are keys of the YAML file. */
  config(changes?: Changes): FinetuneConfig
  /** Prepares and trains; the run is closed afterwards. */
  train(changes?: Changes, options?: TrainOptions): Promise<Trained>
}

export interface Trained {
  readonly result: RunResult
  readonly events: readonly RunEvent[]
  /** Losses of the steps. */
  readonly losses: readonly number[]
  readonly outputDir: string
}

/** The keys of a small LoRA run on what `workspace()` puts into the folder. */
export function tinyRun(path: string): FinetuneInput {
  return {
    base_model: join(path, 'model'),
    adapter: 'lora',
    lora_r: 4,
    lora_alpha: 8,
    lora_target_linear: true,
    datasets: [{ path: join(path, 'data.jsonl'), type: 'completion' }],
    sequence_len: 64,
    micro_batch_size: 2,
    gradient_accumulation_steps: 2,
    max_steps: 6,
    learning_rate: 5e-3,
    warmup_steps: 1,
    output_dir: join(path, 'out'),
    save_strategy: 'no',
    seed: 11,
  }
}

/** A temporary folder with `model/` and `data.jsonl` (12 counting texts of different lengths). */
export function workspace(model: Readonly<Record<string, unknown>> = {}): Workspace {
  const temporary = temporaryFolder()
  const { path } = temporary
  writeTinyModel(join(path, 'model'), model)
  writeFileSync(join(path, 'data.jsonl'), countingTexts(12))
  const config = (changes: Changes = {}): FinetuneConfig =>
    finetuneConfig.validate({ ...tinyRun(path), ...changes })
  return {
    path,
    config,
    async train(changes, options = {}) {
      const checked = config(changes)
      using run = await prepareRun(checked, { device: cpu })
      const events: RunEvent[] = []
      const result = await train(run, {
        ...options,
        onEvent(event) {
          events.push(event)
          options.onEvent?.(event)
        },
      })
      const losses = events.flatMap((event) => (event.type === 'step' ? [event.report.loss] : []))
      return { result, events, losses, outputDir: checked.output_dir }
    },
    [Symbol.dispose]: () => temporary[Symbol.dispose](),
  }
}

export function countingTexts(count: number): string {
  const text = (i: number): string =>
    Array.from({ length: 4 + ((i * 7) % 11) }, (_, j) => (i + j * (1 + (i % 3))) % 10).join(' ')
  return Array.from({ length: count }, (_, i) => `${JSON.stringify({ text: text(i) })}\n`).join('')
}

/** A file of the output folder as hexadecimal text, so that a difference is shown shortly. */
export function fileBytes(...path: readonly string[]): Buffer {
  return readFileSync(join(...path))
}

/** The lines of metrics.jsonl without what the clock says. */
export function metricsOf(outputDir: string): unknown[] {
  return readFileSync(join(outputDir, 'metrics.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => {
      const { seconds: _s, tokens_per_second: _t, ...rest } = JSON.parse(line)
      return rest
    })
}
