/**
 * Many texts at once: each pass through the model makes one token of every text that is open. Texts come and go at any time.
 *
 * Each text has a row of a cache of many documents, its own seed and its own end, and gets the tokens that it would get alone. Texts that begin
 * with the same prompt share its pass: it is computed once. Texts with different adapters share passes where the adapters allow it, and
 * have passes of their own where these stand before the text or change a norm.
 */
import {
  type ActiveAdapters,
  BASE_MODEL,
  concat,
  type DocumentAdapters,
  headLogits,
  type KvCache,
  type KvRows,
  leadLength,
  type Model,
  noGrad,
  type Tensor,
  tensorScope,
  TrituneError,
  withDocumentAdapters,
} from '../../core/mod.ts'
import { createBatch } from '../models/mod.ts'
import { activeOf, adaptersKey, isDivisible, withActive } from './_adapters.ts'
import {
  checkedSampling,
  checkPrompt,
  chooseToken,
  roomOf,
  type Sampling,
  type SamplingOptions,
} from './_choose.ts'
import { lastLogits } from './generate.ts'
import type { StepLogprobs } from './_logprobs.ts'
import type { TokenConstraint } from './token-constraint.ts'

/** A text to make: how its tokens are chosen, when it ends, and through which adapters. */
export interface TextRequest extends SamplingOptions {
  readonly prompt: readonly number[]
  /** A name, `__base__` for none, or names with weights; default: those that are active when each token is made. */
  readonly adapters?: DocumentAdapters
  readonly constraint?: TokenConstraint
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
  readonly logprobs: StepLogprobs | null
  readonly reused: number
}

/** Options of `openBatchEngine()`. */
export interface BatchEngineOptions {
  /** How many texts can be open at once. */
  readonly rows: number
  /** Tokens of the longest text, its prompt included; at most the context of the model. */
  readonly tokens: number
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
  /** One more token of each open text, in the order in which they were added; their rows are free when they end. */
  step(): TextStep[]
  /** Ends a text early. */
  cancel(text: number): void
}

/**
 * Opens an engine without texts. The memory of its rows is taken with the first one. While texts are open, the weights of the model must not change.
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
export function openBatchEngine(model: Model, { rows, tokens }: BatchEngineOptions): BatchEngine {
  for (const [name, value] of Object.entries({ rows, tokens }))
    if (!Number.isInteger(value) || value < 1)
      throw new TrituneError('E_CONFIG', `${name}: expected an integer from 1, got ${value}`)
  const open = new Map<number, Text>()
  const free = new Set(Array.from({ length: rows }, (_, row) => row))
  let added = 0
  let cache: KvRows | null = null
  let shared: SharedPrompt | null = null

  const forget = (): void => {
    shared?.cache[Symbol.dispose]()
    shared?.logits.dispose()
    shared = null
  }
  /** The pass of a prompt, or that of the text before if it had the same one. */
  const prompted = (prompt: readonly number[], adapters: ActiveAdapters | undefined): SharedPrompt => {
    const key = JSON.stringify([prompt, adaptersKey(model, adapters)])
    if (shared?.key === key) return shared
    forget()
    shared = passPrompt(model, prompt, adapters, key)
    return shared
  }
  const end = (id: number, { row }: Text): void => {
    open.delete(id)
    free.add(row)
    cache?.free(row)
  }
  /** One token more of some texts, in one pass. */
  const pass = (texts: readonly Text[], kv: KvRows): void => {
    const ascending = texts.toSorted((a, b) => a.row - b.row)
    const chosen = noGrad(() => {
      using _scope = tensorScope()
      const places = kv.next(ascending.map(({ row }) => row))
      const ids = ascending.map(({ history }) => history[history.length - 1])
      const batch = createBatch({ ids, ...places }, model.head.device)
      const forward = (): Tensor => headLogits(model.head, model.hidden(batch, { cache: kv }))
      const [first] = ascending
      const logits = ascending.every(({ key }) => key === first.key)
        ? withActive(model, first.adapters, forward)
        : withDocumentAdapters(
            model,
            batch,
            ascending.flatMap(({ adapters = [] }) => [BASE_MODEL, adapters]),
            forward,
          )
      return choose(ascending.map((text, i) => ({ text, logits: logits.rowsView(i, 1) })))
    })
    for (const [i, text] of ascending.entries()) text.next = chosen[i]
  }
  return {
    get free() {
      return free.size
    },
    get open() {
      return open.size
    },
    add({ prompt, adapters: asked, ...options }) {
      const sampling = checkedSampling(options)
      const adapters = activeOf(asked)
      checkPrompt(prompt, Infinity)
      const lead = withActive(model, adapters, () => leadLength(model))
      checkPrompt(prompt, roomOf(model, lead))
      if (prompt.length > tokens)
        throw new TrituneError(
          'E_SHAPE',
          `the prompt has ${prompt.length} tokens, a row of the batch ${tokens}`,
        )
      if (free.size === 0)
        throw new TrituneError('E_SHAPE', `all ${rows} rows of the batch are taken`, {
          remedy: 'wait until a text has ended (free)',
        })
      const start = prompted(prompt, adapters)
      cache ??= start.cache.openRows(rows, Math.min(model.info.contextLength, tokens + lead))
      const row = Math.min(...free)
      cache.begin([row], start.cache)
      free.delete(row)
      const key = adaptersKey(model, adapters)
      const text: Text = { row, history: [...prompt], sampling, adapters, key, made: 0, next: null }
      ;[text.next] = noGrad(() => {
        using _scope = tensorScope()
        return choose([{ text, logits: start.logits }])
      })
      open.set(added, text)
      return added++
    },
    step() {
      const waiting = [...open.values()].filter(({ next }) => next === null)
      if (cache) for (const texts of passesOf(model, waiting)) pass(texts, cache)
      return [...open].map(([id, text]): TextStep => {
        const { sampling, next, row } = text
        const isOver = sampling.maxNewTokens === 0
        if (isOver || next === null || sampling.stopIds.includes(next)) {
          end(id, text)
          return { text: id, id: null, end: isOver ? 'length' : 'stop', stopId: isOver ? null : next, logprobs: null, reused: 0 }
        }
        text.history.push(next)
        text.made++
        text.next = null
        const isFull = cache !== null && cache.lengthOf(row) >= cache.capacity
        if (text.made < sampling.maxNewTokens && !isFull)
          return { text: id, id: next, end: null, stopId: null, logprobs: null, reused: 0 }
        end(id, text)
        return { text: id, id: next, end: 'length', stopId: null, logprobs: null, reused: 0 }
      })
    },
    cancel(id) {
      const text = open.get(id)
      if (text) end(id, text)
    },
    [Symbol.dispose]() {
      forget()
      cache?.[Symbol.dispose]()
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

interface Text {
  readonly row: number
  /** The prompt and what was made. */
  readonly history: number[]
  readonly sampling: Sampling
  readonly adapters: ActiveAdapters | undefined
  readonly key: string
  made: number
  /** Chosen, not yet told. */
  next: number | null
}

/** The pass of a prompt, for all texts that begin with it. */
interface SharedPrompt {
  readonly key: string
  readonly cache: KvCache
  /** (1, V) f32, of the token after it. */
  readonly logits: Tensor
}

function passPrompt(
  model: Model,
  prompt: readonly number[],
  adapters: ActiveAdapters | undefined,
  key: string,
): SharedPrompt {
  const cache = withActive(model, adapters, () => model.createCache(prompt.length))
  try {
    const logits = noGrad(() => {
      using _scope = tensorScope()
      const last = withActive(model, adapters, () => lastLogits(model, prompt, cache))
      last.adopt(null)
      return last
    })
    return { key, cache, logits }
  } catch (error) {
    cache[Symbol.dispose]()
    throw error
  }
}

/** Texts that make their next token together. */
function passesOf(model: Model, texts: readonly Text[]): readonly (readonly Text[])[] {
  const groups = Object.values(Object.groupBy(texts, ({ key }) => key)).filter((group) => group !== undefined)
  const together = groups.length > 1 && texts.every(({ adapters }) => isDivisible(model, adapters))
  return together ? [texts] : groups
}

/** The tokens are read together: a GPU is waited for once. */
function choose(all: readonly { readonly text: Text; readonly logits: Tensor }[]): number[] {
  const ids = all.map(({ text: { sampling, history, made }, logits }) =>
    chooseToken(logits, sampling, history, made),
  )
  return [...concat(ids).toArray()]
}
