/**
 * Many texts at once: each pass through the model makes one token of every text that is open. Texts come and go at any time.
 *
 * Each text has a row of a cache of many documents, its own seed and its own end, and gets the tokens that it would get alone. What its prompt has in
 * common with the beginning of another text, open or just ended, is computed once. Prompts go through the model in pieces between the passes of the texts
 * that grow. Texts with different adapters share passes where the adapters allow it, and have passes of their own where these stand before the
 * text or change a norm.
 */
import type { DocumentAdapters, Model } from '../../core/mod.ts'
import { leadLength, TrituneError } from '../../core/mod.ts'
import { activeOf, adaptersKey, withActive } from './_adapters.ts'
import { checkedSampling, checkPrompt, roomOf, type SamplingOptions } from './_choose.ts'
import type { StepLogprobs } from './_logprobs.ts'
import { openPasses } from './_passes.ts'
import type { Text } from './_text.ts'
import type { TokenConstraint } from './token-constraint.ts'

/** A text to make: how its tokens are chosen, when it ends, and through which adapters. */
export interface TextRequest extends SamplingOptions {
  readonly prompt: readonly number[]
  /** A name, `__base__` for none, or names with weights; default: those that are active when each token is made. */
  readonly adapters?: DocumentAdapters
  /** What it may say: a state for this text alone, such as `schema.open()` of `openJsonSchema()` gives. */
  readonly constraint?: TokenConstraint
  /** Tells with each token how likely it was, and so many of the most likely ones; default: not told. */
  readonly logprobs?: number
}

/** What a pass made of one text. */
export interface TextStep {
  /** As `add()` gave it. */
  readonly text: number
  /** The new token; null: there is none, the text has ended. */
  readonly id: number | null
  /** Why the text has ended: by a stop token, or because there is no room for more; null: it goes on. */
  readonly end: 'stop' | 'length' | null
  /** The stop token that ended it, where one did. */
  readonly stopId: number | null
  /** How likely `id` was, where the text asked for it; else null. */
  readonly logprobs: StepLogprobs | null
  /** Tokens of the prompt whose keys and values were there already. */
  readonly reused: number
}

/** Options of `openBatchEngine()`. */
export interface BatchEngineOptions {
  /** How many texts can be open at once. */
  readonly rows: number
  /** Tokens of the longest text, its prompt included; at most the context of the model. */
  readonly tokens: number
  /** Tokens of prompts that a step goes through at most, so that a long prompt does not stall texts that grow; default: 256. */
  readonly promptTokens?: number
  /** Bytes of keys and values kept of texts that have ended, for prompts that begin alike; the oldest go first. Default: 0, the last text alone. */
  readonly promptCache?: number
}

/** Texts that grow together. Disposing it frees their memory. */
export interface BatchEngine extends Disposable {
  /** Texts that can be added now. */
  readonly free: number
  /** Texts that are open. */
  readonly open: number
  /**
   * Opens a text and gives its number, counted from 0. Throws what `generate()` throws, and E_SHAPE when no row is free or the text is longer
   * than `tokens`.
   */
  add(request: TextRequest): number
  /**
   * One more token of each open text whose prompt is through, in the order in which they were added; texts that wait for their prompt are not among them.
   * Rows are free when their texts end.
   */
  step(): TextStep[]
  /** Ends a text early. */
  cancel(text: number): void
  /** Bytes of keys and values that the engine holds now, those of ended texts included. */
  readonly bytes: number
  /** Forgets the texts that have ended: before the weights of the model or its adapters change. */
  forget(): void
}

/**
 * Opens an engine without texts. Its memory follows the texts that are open. While texts are open or kept, the weights of the model must not change.
 * Throws E_CONFIG for options out of range.
 *
 * @example
 * ```ts
 * import { openBatchEngine } from 'tritune/plugins/generate'
 * import { loadModel } from 'tritune/plugins/models'
 *
 * using model = loadModel('my-model')
 * using engine = openBatchEngine(model, { rows: 4, tokens: 32 })
 * const made: number[][] = [[], [], []]
 * for (const seed of [0, 1, 2]) engine.add({ prompt: [1, 5, 9], temperature: 1, seed, maxNewTokens: 4 })
 * while (engine.open > 0) for (const { text, id } of engine.step()) if (id !== null) made[text].push(id)
 * console.log(made.map(({ length }) => length)) // → [ 4, 4, 4 ]
 * ```
 */
export function openBatchEngine(
  model: Model,
  { rows, tokens, promptTokens = 256, promptCache = 0 }: BatchEngineOptions,
): BatchEngine {
  for (const [name, value, least] of [
    ['rows', rows, 1],
    ['tokens', tokens, 1],
    ['promptTokens', promptTokens, 1],
    ['promptCache', promptCache, 0],
  ] as const)
    if (!Number.isInteger(value) || value < least)
      throw new TrituneError('E_CONFIG', `${name}: expected an integer from ${least}, got ${value}`)
  const open = new Map<number, Text>()
  const passes = openPasses(model, { rows, tokens, promptTokens, promptCache })
  let added = 0

  const end = (id: number, text: Text): void => {
    open.delete(id)
    passes.end(text)
  }
  /** What is told of a text whose token was chosen. */
  const told = (id: number, text: Text): TextStep => {
    const { sampling, next, constraint, reused } = text
    const none = { text: id, id: null, stopId: null, logprobs: null, reused }
    if (sampling.maxNewTokens === 0) return { ...none, end: 'length' }
    if (next === null || sampling.stopIds.includes(next.id))
      return { ...none, end: 'stop', stopId: next?.id ?? null }
    text.history.push(next.id)
    text.made++
    text.next = null
    constraint?.accept(next.id)
    const isFull = text.made >= sampling.maxNewTokens || passes.isFull(text)
    const ending = constraint?.isOver ? 'stop' : isFull ? 'length' : null
    return { text: id, id: next.id, end: ending, stopId: null, logprobs: next.logprobs, reused }
  }
  return {
    get free() {
      return rows - open.size
    },
    get open() {
      return open.size
    },
    get bytes() {
      return passes.bytes
    },
    add({ prompt, adapters: asked, constraint = null, logprobs = null, ...options }) {
      const sampling = checkedSampling(options)
      if (logprobs !== null && !(Number.isInteger(logprobs) && logprobs >= 0))
        throw new TrituneError('E_CONFIG', `logprobs: expected an integer from 0, got ${logprobs}`)
      const adapters = activeOf(asked)
      checkPrompt(prompt, Infinity)
      const lead = withActive(model, adapters, () => leadLength(model))
      checkPrompt(prompt, roomOf(model, lead))
      if (prompt.length > tokens)
        throw new TrituneError(
          'E_SHAPE',
          `the prompt has ${prompt.length} tokens, a row of the batch ${tokens}`,
        )
      if (open.size === rows)
        throw new TrituneError('E_SHAPE', `all ${rows} rows of the batch are taken`, {
          remedy: 'wait until a text has ended (free)',
        })
      open.set(added, {
        row: null,
        history: [...prompt],
        promptLength: prompt.length,
        promptLogits: null,
        sampling,
        adapters,
        key: adaptersKey(model, adapters),
        lead,
        constraint,
        logprobs,
        made: 0,
        reused: 0,
        next: null,
      })
      return added++
    },
    step() {
      passes.run([...open.values()].filter(({ sampling }) => sampling.maxNewTokens > 0))
      return [...open].flatMap(([id, text]): TextStep[] => {
        if (text.next === null && text.sampling.maxNewTokens > 0) return []
        const step = told(id, text)
        if (step.end !== null) end(id, text)
        return [step]
      })
    },
    cancel(id) {
      const text = open.get(id)
      if (text) end(id, text)
    },
    forget: () => passes.forget(),
    [Symbol.dispose]: () => passes[Symbol.dispose](),
  }
}
