/**
 * The evaluation that `evaluate --save` kept in the folder of a run, and what a model card tells of it.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { TrituneError } from '../../../core/mod.ts'
import { looseObject } from '../../runs/mod.ts'
import type { ModelEvaluation, TaskEvaluation } from '../evaluate-model.ts'
import type { Measure } from '../measures/statistics.ts'

/** The file in the folder of a run. */
export const EVALUATION_FILE = 'evaluation.json'

/** null: there is none. E_FORMAT for a file that no `evaluate` wrote. */
export function readEvaluation(folder: string): ModelEvaluation | null {
  const path = join(folder, EVALUATION_FILE)
  if (!existsSync(path)) return null
  const value = parsed(path)
  if (isEvaluation(value)) return value
  throw new TrituneError('E_FORMAT', 'this is no evaluation', {
    place: path,
    remedy: 'remove it, or measure again with evaluate --save',
  })
}

/** A line for each measure, for the results of a model card: `acc (arc)` → `0.250 → 0.458 (95 %: 0.279 to 0.649)`. */
export function evaluationResults({ tasks }: Pick<ModelEvaluation, 'tasks'>): Record<string, string> {
  return Object.fromEntries(
    tasks.flatMap((task) =>
      Object.entries(task.measures).map(([name, measure]) => [
        `${name} (${task.task}, ${task.items} ${task.items === 1 ? 'item' : 'items'})`,
        resultText(measure, task.before?.[name] ?? null),
      ]),
    ),
  )
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function resultText({ value, low, high }: Measure, before: Measure | null): string {
  const interval = low === null || high === null ? '' : ` (95 %: ${shown(low)} to ${shown(high)})`
  return `${before === null ? '' : `${shown(before.value)} → `}${shown(value)}${interval}`
}

function shown(value: number): string {
  return value.toPrecision(4)
}

function parsed(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch (cause) {
    if (cause instanceof SyntaxError)
      throw new TrituneError('E_FORMAT', `not valid JSON: ${cause.message}`, {
        place: path,
        remedy: 'measure again with evaluate --save',
        cause,
      })
    throw cause
  }
}

function isEvaluation(value: unknown): value is ModelEvaluation {
  const { tasks } = looseObject(value).fields
  return Array.isArray(tasks) && tasks.every(isTask)
}

function isTask(value: unknown): value is TaskEvaluation {
  const { task, items, measures, before } = looseObject(value).fields
  return (
    typeof task === 'string' &&
    typeof items === 'number' &&
    isMeasures(measures) &&
    (before === null || isMeasures(before))
  )
}

function isMeasures(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  return Object.values(value).every((one) => looseObject(one).number('value', null) !== null)
}
