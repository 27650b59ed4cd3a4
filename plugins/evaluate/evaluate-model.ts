/**
 * A model by some tasks, before and after: opens what is compared one after the other, and puts the measures side by side.
 */
import { packageVersion } from '../../core/invocation.ts'
import type { Device, FloatDType, Plugin } from '../../core/mod.ts'
import type { DeviceName } from '../cuda/mod.ts'
import { openGenerator } from '../generate/mod.ts'
import { compareResults } from './compare.ts'
import { evaluateTask, type EvaluateTaskOptions, type TaskResult } from './evaluate-task.ts'
import type { Difference, Measure } from './measures/statistics.ts'
import type { Task } from './tasks/task.ts'

/** A model, with or without an adapter. */
export interface Subject {
  /** A hub name, a folder or a .gguf file. */
  readonly model: string
  readonly adapter: string | null
}

/** The measures of one task; `before` and `difference` where two models were measured. */
export interface TaskEvaluation {
  readonly task: string
  readonly kind: Task['kind']
  readonly items: number
  /** Items whose context was too long, so that its beginning was left out. */
  readonly cut: number
  readonly measures: Readonly<Record<string, Measure>>
  readonly before: Readonly<Record<string, Measure>> | null
  /** after − before. */
  readonly difference: Readonly<Record<string, Difference>> | null
}

/** What was measured, of what and how; JSON. */
export interface ModelEvaluation {
  readonly time: string
  readonly tritune: string
  readonly subject: Subject
  readonly before: Subject | null
  readonly settings: {
    readonly limit: number | null
    readonly chat: boolean
    /** As it was given; null: that of the model. */
    readonly chatTemplate: string | null
    readonly maxLength: number | null
  }
  readonly tasks: readonly TaskEvaluation[]
}

/** Options of `evaluateModel()`. */
export interface EvaluateModelOptions extends Omit<EvaluateTaskOptions, 'onProgress'> {
  /** What it is compared with; null: with nothing. */
  readonly before?: Subject | null
  /** Of the tasks, for the record: how many items there are at most. */
  readonly limit?: number
  /** With `chat`, instead of the model's: a name, the path of a Jinja file, or its text. */
  readonly chatTemplate?: string
  readonly dtype?: FloatDType
  readonly device?: Device | DeviceName
  readonly offline?: boolean
  readonly plugins?: readonly Plugin[]
  readonly onNote?: (text: string) => void
  /** Told as it goes. */
  readonly onProgress?: (subject: Subject, task: Task, done: number, all: number) => void
  /** Told what became of each task, item by item. */
  readonly onResult?: (subject: Subject, result: TaskResult) => void
}

/**
 * Measures a model by all tasks, and another one before it where one is given. Throws what opening a model and `evaluateTask()` throw.
 *
 * @example
 * ```ts
 * import { evaluateModel, readTask } from 'tritune/plugins/evaluate'
 * import { writeFileSync } from 'node:fs'
 *
 * writeFileSync('speech.jsonl', JSON.stringify({ text: 'The state of the union is strong.' }))
 * const tasks = [await readTask('speech.jsonl')]
 * const subject = { model: 'my-model', adapter: 'my-adapter' }
 * const found = await evaluateModel(subject, tasks, { before: { model: 'my-model', adapter: null } })
 * console.log(Object.keys(found.tasks[0].difference ?? {}).includes('token_perplexity')) // → true
 * ```
 */
export async function evaluateModel(
  subject: Subject,
  tasks: readonly Task[],
  { before = null, limit, onResult, ...options }: EvaluateModelOptions = {},
): Promise<ModelEvaluation> {
  const { chat = false, chatTemplate = null, maxLength } = options
  const measure = async (who: Subject): Promise<TaskResult[]> => {
    const results = await measureAll(who, tasks, options)
    for (const result of results) onResult?.(who, result)
    return results
  }
  const earlier = before === null ? null : await measure(before)
  const later = await measure(subject)
  return {
    time: new Date().toISOString(),
    tritune: packageVersion(),
    subject,
    before,
    settings: { limit: limit ?? null, chat, chatTemplate, maxLength: maxLength ?? null },
    tasks: later.map((result, i) => ({
      task: result.task,
      kind: result.kind,
      items: result.items.length,
      cut: result.cut,
      measures: result.measures,
      before: earlier?.[i].measures ?? null,
      difference: earlier ? compareResults(earlier[i], result) : null,
    })),
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

async function measureAll(
  subject: Subject,
  tasks: readonly Task[],
  options: Omit<EvaluateModelOptions, 'before' | 'limit' | 'onResult'>,
): Promise<TaskResult[]> {
  const { chat, maxLength, tokensAtOnce, onProgress, ...opening } = options
  const { model, adapter } = subject
  using generator = await openGenerator(model, { ...opening, adapter: adapter ?? undefined })
  return tasks.map((task) =>
    evaluateTask(generator.model, generator.tokenizer, task, {
      ...(chat === undefined ? {} : { chat }),
      ...(maxLength === undefined ? {} : { maxLength }),
      ...(tokensAtOnce === undefined ? {} : { tokensAtOnce }),
      onProgress: (done, all) => onProgress?.(subject, task, done, all),
    }),
  )
}
