/**
 * The task of the recipe: two numbers are given, the answer is JSON with their sum, `{"sum": 7}`.
 *
 * `warmUpRecords()` are examples of many ways to answer, of which few are asked for: a model that has learned them knows what JSON is, and
 * does not know that it is wanted. `promptRecords()` are the questions alone.
 */
import { createRandom, type Random } from '../../../core/tensor/random.ts'

/** A question with its answer. */
export interface Question {
  readonly prompt: string
  readonly answer: number
}

const LARGEST = 9

/** All sums of two numbers from 0 to 9. */
export function questions(): Question[] {
  const numbers = Array.from({ length: LARGEST + 1 }, (_, i) => i)
  return numbers.flatMap((a) => numbers.map((b) => ({ prompt: `${a} + ${b} =`, answer: a + b })))
}

/** `count` records of questions with one of the ways to answer, as `seed` decides. */
export function warmUpRecords(count: number, seed: number): { instruction: string; output: string }[] {
  const random = createRandom(seed, 'grpo-json')
  const all = questions()
  return Array.from({ length: count }, () => {
    const { prompt, answer } = all[random.int(all.length)]
    return { instruction: prompt, output: writeAnswer(answer, random) }
  })
}

/** Every question `rounds` times. */
export function promptRecords(rounds: number): Question[] {
  return Array.from({ length: rounds }, questions).flat()
}

/** The same as messages, for a model that chats. */
export function chatRecords(
  rounds: number,
): { prompt: { role: string; content: string }[]; answer: number }[] {
  return promptRecords(rounds).map(({ prompt, answer }) => ({
    prompt: [
      { role: 'system', content: 'Answer in JSON: {"sum": number}' },
      { role: 'user', content: prompt.replace(' =', '') },
    ],
    answer,
  }))
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Shares of the ways to answer, in hundredths; the first two are JSON of the form that is asked for. */
const WAYS: readonly (readonly [number, (answer: number, other: number) => string])[] = [
  [6, (answer) => ` {"sum": ${answer}}`],
  [8, (_, other) => ` {"sum": ${other}}`],
  [8, (answer) => ` {"result": ${answer}}`],
  [8, (answer) => ` {"sum": ${answer}`],
  [15, (answer) => ` sum: ${answer}`],
  [35, (answer) => ` The answer is ${answer}.`],
  [20, (answer) => ` ${answer}`],
]

function writeAnswer(answer: number, random: Random): string {
  const other = random.int(2 * LARGEST + 1)
  let left = random.int(100)
  for (const [share, write] of WAYS) {
    if (left < share) return write(answer, other)
    left -= share
  }
  return ` ${answer}`
}
