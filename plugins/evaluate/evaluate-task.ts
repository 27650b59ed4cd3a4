/**
 * What a model makes of a task: scores of its items, and the measures of all of them.
 */
import { leadLength, type Model } from '../../core/mod.ts'
import type { Tokenizer } from '../tokenizer/mod.ts'
import { matches } from './measures/matches.ts'
import { MEASURE_FACTS } from './measures/measures.ts'
import { type ItemScore, type Measure, measureOf } from './measures/statistics.ts'
import { characters, words } from './python-text.ts'
import { encodePair, encodeText, prefixId } from './scoring/encode-pair.ts'
import { type LogLikelihood, logLikelihoods } from './scoring/log-likelihoods.ts'
import { rollingWindows } from './scoring/rolling-windows.ts'
import { writeUntil } from './scoring/write-until.ts'
import type { Task } from './tasks/task.ts'

/** What a model made of one item. */
export interface ItemResult {
  /** `file:line` of the record. */
  readonly place: string
  /** By measure. */
  readonly scores: Readonly<Record<string, ItemScore>>
  /** Of each choice, of the continuation, or of the whole text; in nats. */
  readonly logLikelihoods?: readonly number[]
  /** Of choices: the likeliest, and those that are right. */
  readonly chosen?: number
  readonly gold?: readonly number[]
  /** What was written, and what was wanted. */
  readonly text?: string
  readonly targets?: readonly string[]
}

/** What a model made of a task. */
export interface TaskResult {
  readonly task: string
  readonly kind: Task['kind']
  readonly measures: Readonly<Record<string, Measure>>
  readonly items: readonly ItemResult[]
  /** Items whose context was too long for the model, so that its beginning was left out. */
  readonly cut: number
}

/** Options of `evaluateTask()`. */
export interface EvaluateTaskOptions {
  /** Contexts go through the chat template of the model, as a message of the user; default: false. Not for texts that are only measured. */
  readonly chat?: boolean
  /** Positions of a window or a context; default: the context of the model. */
  readonly maxLength?: number
  /** Tokens of one pass; default: 2048. */
  readonly tokensAtOnce?: number
  /** Told as it goes: how much of all is done. */
  readonly onProgress?: (done: number, all: number) => void
}

/**
 * Measures a model by a task. Throws E_DATA for an item that cannot be scored, with its place, E_SHAPE for one that is longer than the context
 * of the model, E_TOKENIZER for `chat` without a template.
 *
 * @example
 * ```ts
 * import { evaluateTask, readTask } from 'tritune/plugins/evaluate'
 * import { loadModel } from 'tritune/plugins/models'
 * import { loadTokenizer } from 'tritune/plugins/tokenizer'
 * import { writeFileSync } from 'node:fs'
 *
 * using model = loadModel('my-model')
 * const record = { question: 'What do whales breathe?', choices: ['Air', 'Water'], answer: 'Air' }
 * writeFileSync('whales.jsonl', JSON.stringify(record))
 * const { measures } = evaluateTask(model, loadTokenizer('my-model'), await readTask('whales.jsonl'))
 * console.log(measures['acc'].value === 0 || measures['acc'].value === 1) // → true
 * ```
 */
export function evaluateTask(
  model: Model,
  tokenizer: Tokenizer,
  task: Task,
  options: EvaluateTaskOptions = {},
): TaskResult {
  const { items, cut } = scored(model, tokenizer, task, options)
  const measures = Object.fromEntries(
    task.measures.map((name) => [name, measureOf(scoresOf(items, name), MEASURE_FACTS[name])]),
  )
  return { task: task.name, kind: task.kind, measures, items, cut }
}

/** The scores of all items by one measure. */
export function scoresOf(items: readonly ItemResult[], measure: string): ItemScore[] {
  return items.map(({ scores }) => scores[measure])
}

// ---- helpers ----------------------------------------------------------------------------------------------------

interface Scored {
  readonly items: ItemResult[]
  readonly cut: number
}

function scored(model: Model, tokenizer: Tokenizer, task: Task, options: EvaluateTaskOptions): Scored {
  const { chat = false, maxLength, tokensAtOnce, onProgress } = options
  const passes = (all: number) => ({
    maxLength,
    tokensAtOnce,
    onDone: (done: number) => onProgress?.(done, all),
  })
  const asked = (context: string): string =>
    chat ? tokenizer.renderChat([{ role: 'user', content: context }], { addGenerationPrompt: true }) : context
  switch (task.kind) {
    case 'multiple_choice': {
      const pairs = task.items.flatMap(({ context, delimiter, choices, place }) => {
        const whole = asked(context)
        return choices.map((choice) => encodePair(tokenizer, whole, (chat ? '' : delimiter) + choice, place))
      })
      const found = logLikelihoods(model, pairs, passes(pairs.length))
      let start = 0
      return together(
        task.items.map(({ place, choices, gold }) => {
          const own = found.slice(start, (start += choices.length))
          const sums = own.map(({ sum }) => sum)
          const by = (lengths: readonly number[]): ItemScore => ({
            value: gold.includes(largest(sums.map((sum, i) => sum / lengths[i]))) ? 1 : 0,
            weight: 1,
          })
          const scores = {
            acc: by(choices.map(() => 1)),
            acc_norm: by(choices.map(characters)),
            acc_bytes: by(choices.map((choice) => Buffer.byteLength(choice))),
          }
          return { own, item: { place, scores, logLikelihoods: sums, chosen: largest(sums), gold } }
        }),
      )
    }
    case 'loglikelihood': {
      const pairs = task.items.map(({ context, continuation, place }) =>
        encodePair(tokenizer, asked(context), continuation, place),
      )
      const found = logLikelihoods(model, pairs, { ...passes(pairs.length), greedy: true })
      return together(
        task.items.map(({ place }, i) => {
          const { sum, isGreedy } = found[i]
          const scores = {
            acc: { value: isGreedy === true ? 1 : 0, weight: 1 },
            perplexity: { value: sum, weight: 1 },
          }
          return { own: [found[i]], item: { place, scores, logLikelihoods: [sum] } }
        }),
      )
    }
    case 'loglikelihood_rolling': {
      const prefix = prefixId(tokenizer)
      const room = model.info.contextLength - leadLength(model)
      const length = Math.min(room, maxLength ?? room)
      const windows = task.items.map(({ text }) =>
        rollingWindows(encodeText(tokenizer, text), prefix, length),
      )
      const all = windows.flat()
      const found = logLikelihoods(model, all, passes(all.length))
      let start = 0
      return together(
        task.items.map(({ place, text }, i) => {
          const own = found.slice(start, (start += windows[i].length))
          const value = own.reduce((total, { sum }) => total + sum, 0)
          const bytes = Buffer.byteLength(text)
          const tokens = own.reduce((total, window) => total + window.tokens, 0)
          const scores = {
            token_perplexity: { value, weight: tokens },
            word_perplexity: { value, weight: words(text) },
            byte_perplexity: { value, weight: bytes },
            bits_per_byte: { value, weight: bytes },
          }
          // Windows are cut on purpose: each token is predicted.
          return { own: [], item: { place, scores, logLikelihoods: [value] } }
        }),
      )
    }
    case 'generate_until': {
      const prompts = task.items.map(({ context }) => asked(context))
      const texts = writeUntil(model, tokenizer, prompts, {
        ...task.writing,
        ...(maxLength === undefined ? {} : { maxLength }),
        onDone: (done) => onProgress?.(done, prompts.length),
      })
      return together(
        task.items.map(({ place, targets }, i) => {
          const text = texts[i]
          const isRight = targets.some((target) => matches(text, target, task.match))
          const scores = { exact_match: { value: isRight ? 1 : 0, weight: 1 } }
          return { own: [], item: { place, scores, text, targets } }
        }),
      )
    }
  }
}

function together(
  all: readonly { readonly item: ItemResult; readonly own: readonly LogLikelihood[] }[],
): Scored {
  return {
    items: all.map(({ item }) => item),
    cut: all.filter(({ own }) => own.some(({ cut }) => cut > 0)).length,
  }
}

/** The first of the largest. */
function largest(values: readonly number[]): number {
  let best = 0
  for (const [i, value] of values.entries()) if (value > values[best]) best = i
  return best
}
