/**
 * Beside lm-evaluation-harness: how far our log-likelihoods, measures and texts are from those that tests/oracle/lm_eval.py wrote. Measures only;
 * tolerances stand where the numbers are judged. Shared by the test and by scripts/oracle/lm-eval.ts.
 */
import { join } from 'node:path'
import type { Model } from '../../../core/mod.ts'
import { evaluateTask, readTask, type TaskResult } from '../../../plugins/evaluate/mod.ts'
import type { Tokenizer } from '../../../plugins/tokenizer/mod.ts'
import { GOLDEN } from '../../_golden.ts'

/** Items and task files of tests/oracle/lm_eval.py. */
export const ITEMS: string = join(GOLDEN, 'evaluate')

/** What lm-evaluation-harness gave. */
export interface Expected {
  readonly lm_eval: string
  readonly tasks: Readonly<
    Record<
      string,
      {
        readonly measures: Readonly<Record<string, number>>
        readonly items: readonly { readonly logLikelihoods?: readonly number[]; readonly text?: string }[]
      }
    >
  >
}

/** The file of each task. */
export const TASK_FILES: Readonly<Record<string, string>> = {
  hellaswag: 'hellaswag.jsonl',
  arc: 'arc.jsonl',
  choice: 'choice.yaml',
  last_word: 'last_word.yaml',
  rolling: 'rolling.yaml',
  write: 'write.yaml',
}

export interface Distance {
  readonly result: TaskResult
  /** Numbers that were compared. */
  readonly compared: number
  /** Largest |Δ log-likelihood|, in nats. */
  readonly logLikelihood: number
  /** The same of |Δ log-likelihood| / max(1, |log-likelihood|). */
  readonly relative: number
  /** Largest |Δ measure| / max(1, |measure|), standard errors of means included. */
  readonly measure: number
  /** Texts that differ. */
  readonly texts: number
}

/** Measures a task and how far it is from what was expected; NaN where a number is missing. */
export async function distanceOf(
  model: Model,
  tokenizer: Tokenizer,
  name: string,
  { tasks }: Expected,
): Promise<Distance> {
  const wanted = tasks[name]
  const result = evaluateTask(
    model,
    tokenizer,
    await readTask(join(ITEMS, TASK_FILES[name]), { limit: wanted.items.length }),
  )
  const ours = result.items.flatMap(({ logLikelihoods = [] }) => logLikelihoods)
  const theirs = wanted.items.flatMap(({ logLikelihoods = [] }) => logLikelihoods)
  const errors = theirs.map((value, i) => Math.abs((ours[i] ?? Number.NaN) - value))
  const measured = Object.entries(wanted.measures).filter(([key]) => isCompared(key, result))
  const measures = measured.map(([key, value]) => {
    const isError = key.endsWith('_stderr')
    const measure = result.measures[key.replace(/_stderr$/, '')]
    const own = (isError ? measure?.stderr : measure?.value) ?? Number.NaN
    return Math.abs(own - value) / Math.max(1, Math.abs(value))
  })
  return {
    result,
    compared: errors.length + measures.length,
    logLikelihood: Math.max(0, ...errors),
    relative: Math.max(0, ...errors.map((error, i) => error / Math.max(1, Math.abs(theirs[i])))),
    measure: Math.max(0, ...measures),
    texts: wanted.items.filter(({ text }, i) => text !== undefined && text !== result.items[i]?.text).length,
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** The standard error of a perplexity is a bootstrap there, of random numbers. */
function isCompared(key: string, { measures }: TaskResult): boolean {
  return !key.endsWith('_stderr') || measures[key.replace(/_stderr$/, '')]?.stderr !== null
}
