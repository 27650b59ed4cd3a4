/**
 * A task from a file: a task file of lm-evaluation-harness (`.yaml`), or records whose fields say what they are.
 */
import { basename } from 'node:path'
import { readTextFile } from '../../../core/files/text-file.ts'
import { readTaskRecords } from './read-records.ts'
import { taskOfRecords } from './record-shapes.ts'
import type { Task } from './task.ts'
import { readYamlTask } from './yaml-task.ts'

/** Options of `readTask()`. */
export interface ReadTaskOptions {
  /** Only so many items, from the start; default: all. */
  readonly limit?: number
}

/**
 * Reads a task with its items. Throws E_FILE, E_YAML, E_CONFIG or E_DATA, each with the line.
 *
 * @example
 * ```ts
 * import { writeFileSync } from 'node:fs'
 * import { readTask } from 'tritune/plugins/evaluate'
 *
 * const record = { question: 'What do whales breathe?', choices: ['Air', 'Water'], answer: 'Air' }
 * writeFileSync('whales.jsonl', JSON.stringify(record))
 * const task = await readTask('whales.jsonl')
 * console.log(task.kind, task.items.length) // → multiple_choice 1
 * ```
 */
export async function readTask(file: string, { limit = Infinity }: ReadTaskOptions = {}): Promise<Task> {
  if (/\.ya?ml$/.test(file)) {
    const text = readTextFile(file, { what: 'the task', remedy: 'name a task file or a data file' })
    return readYamlTask(text, file, limit)
  }
  return taskOfRecords(basename(file).replace(/\.[^.]+$/, ''), await readTaskRecords([file], limit))
}
