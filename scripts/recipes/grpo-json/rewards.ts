/**
 * The rewards of the recipe. Each looks at one thing, so that part of the way is worth something.
 */
import type { Reward } from '../../../plugins/grpo/mod.ts'

/** Whether the answer is a JSON object. */
export const isObject: Reward = (completions) => completions.map((text) => (objectIn(text) ? 1 : 0))

/** Whether it has a number under `sum`. */
export const hasSum: Reward = (completions) =>
  completions.map((text) => (typeof objectIn(text)?.sum === 'number' ? 1 : 0))

/** Whether that number is right. */
export const isRight: Reward = (completions, { records }) =>
  completions.map((text, row) => (objectIn(text)?.sum === records[row].answer ? 1 : 0))

function objectIn(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : null
  } catch {
    return null
  }
}
