/**
 * A run told to programs: one JSON object per event. The format is a promise: docs/command.md describes every line.
 */
import type { RunEvent, RunResult } from '../../core/mod.ts'
import { colourTokens } from '../../plugins/data/mod.ts'
import { countWeights, type Run, summarize } from '../../plugins/finetune/mod.ts'
import type { ErrorLine } from '../terminal/error-line.ts'
import { jsonLines } from '../terminal/json-lines.ts'
import type { Teller } from './teller.ts'

/** Every line also has `time`, as an ISO date. Numbers that are NaN or infinite are null. */
export type FinetuneLine =
  | { readonly type: 'notice'; readonly text: string }
  | { readonly type: 'download'; readonly file: string; readonly received: number; readonly total: number }
  | {
      readonly type: 'tokenize'
      readonly dataset: string
      readonly records: number
      readonly done: number
      readonly total: number
    }
  | SummaryLine
  | ExampleLine
  /** The events of a run as its monitors get them; `start` without the lines that `summary` has. */
  | Exclude<RunEvent, { readonly type: 'start' | 'end' | 'error' | 'histograms' }>
  | { readonly type: 'start'; readonly step: number; readonly totalSteps: number; readonly outputDir: string }
  /** Of the reader: so many lines were left out, because it is slow. */
  | { readonly type: 'dropped'; readonly lines: number }
  | EndLine
  | ErrorLine

/** What will be trained: the lines for people, and what programs ask first. */
export interface SummaryLine {
  readonly type: 'summary'
  readonly lines: readonly string[]
  readonly baseModel: string
  readonly modelType: string
  readonly dtype: string
  readonly device: string
  /** null: all weights are trained. */
  readonly adapter: string | null
  readonly parameters: number
  readonly trainableParameters: number
  readonly examples: number
  readonly tokens: number
  readonly trainedTokens: number
  readonly validationExamples: number
  readonly totalSteps: number
}

/** Of --dry-run: an example with its trained tokens in «…». */
export interface ExampleLine {
  readonly type: 'example'
  readonly file: string
  readonly line: number
  readonly text: string
}

/** The last line of a run that did not fail. */
export interface EndLine {
  readonly type: 'end'
  /** null: nothing was trained (--dry-run, or the run was finished before). */
  readonly result: RunResult | null
  /** What to type next: tries the result, or resumes. */
  readonly command: string | null
}

export function createJsonTeller(): Teller {
  const lines = jsonLines()
  const write = (line: FinetuneLine): void => lines.write(line, { droppable: DROPPABLE.has(line.type) })
  return {
    notice: (text) => write({ type: 'notice', text }),
    download: wholePercents((progress) => write({ type: 'download', ...progress })),
    tokenize: (progress) => {
      // A dataset that is one part is there at once.
      if (progress.total > 1) write({ type: 'tokenize', ...progress })
    },
    remark: (text) => write({ type: 'notice', text }),
    plan(run) {
      write(summaryLine(run, summarize(run)))
      for (const example of run.data.train.slice(0, 3))
        write({
          type: 'example',
          file: example.source.file,
          line: example.source.line,
          text: colourTokens(example, run.tokenizer, { colour: false }),
        })
    },
    monitors: (run) => [{ onEvent: (event) => writeEvent(event, run, write) }],
    end(done) {
      write({ type: 'end', result: done?.result ?? null, command: done?.command ?? null })
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** What a reader that is far behind can do without. */
const DROPPABLE: ReadonlySet<FinetuneLine['type']> = new Set(['step', 'download', 'tokenize'])

/** `end` and `error` are told by who runs the command, with what to do next. */
function writeEvent(event: RunEvent, run: Run, write: (line: FinetuneLine) => void): void {
  switch (event.type) {
    case 'start': {
      const { step, totalSteps, outputDir, summary } = event
      write(summaryLine(run, summary))
      return write({ type: 'start', step, totalSteps, outputDir })
    }
    case 'step':
    case 'eval':
    case 'save':
    case 'note':
    case 'samples':
    case 'sample':
    case 'control':
    case 'alert':
    case 'advice':
      return write(event)
    case 'end':
    case 'error':
    // histograms.jsonl has them.
    case 'histograms':
      return
    default:
      event satisfies never
  }
}

function summaryLine(run: Run, lines: readonly string[]): SummaryLine {
  const { config, model, dtype, device, adapter, parameters, data, plan } = run
  const { train, validation } = data.report
  const trainableParameters = sizeOf(parameters)
  return {
    type: 'summary',
    lines,
    baseModel: config.base_model,
    modelType: model.info.type,
    dtype,
    device: device.description,
    adapter: adapter ? adapter.kind : null,
    parameters: countWeights(model) + (adapter ? trainableParameters : 0),
    trainableParameters,
    examples: train.examples,
    tokens: train.tokens,
    trainedTokens: train.trainedTokens,
    validationExamples: validation.examples,
    totalSteps: plan.totalSteps,
  }
}

function sizeOf(tensors: ReadonlyMap<string, { readonly size: number }>): number {
  return [...tensors.values()].reduce((sum, { size }) => sum + size, 0)
}

/** Not every piece that arrives: the first, each whole percent, the last. */
function wholePercents(tell: Teller['download']): Teller['download'] {
  let last = ''
  return (progress) => {
    const { file, received, total } = progress
    const text = `${file} ${total > 0 ? Math.floor((100 * received) / total) : 100}`
    if (text !== last) tell({ file, received, total })
    last = text
  }
}
