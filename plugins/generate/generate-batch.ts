/**
 * Several texts at once, each through adapters of its own: PEFT's `generate(…, adapter_names)`. The texts take turns, token by token, each
 * with a cache of its own, so nothing is padded and each gets the tokens that it would get alone.
 */
import {
  type ActiveAdapters,
  BASE_MODEL,
  type DocumentAdapters,
  type Model,
  TrituneError,
} from '../../core/mod.ts'
import { generate, type GenerateOptions } from './generate.ts'

/** Options of `generateBatch()`: those of `generate()`, for all texts. */
export interface GenerateBatchOptions extends Omit<GenerateOptions, 'adapters'> {
  /** For each prompt: a name, `__base__` for none, or names with weights; default: those that are active. */
  readonly adapters?: readonly DocumentAdapters[]
}

/** A new token of one of the texts. */
export interface BatchToken {
  /** Index of the prompt. */
  readonly row: number
  readonly id: number
}

/**
 * Yields new tokens of all prompts as they come. Throws what `generate()` throws, E_SHAPE when there are not as many entries of `adapters` as
 * prompts, and E_NAME for an adapter that there is not. Breaking out of the loop frees the caches.
 *
 * @example
 * ```ts
 * import { generateBatch } from 'tritune/plugins/generate'
 * import { loadModel } from 'tritune/plugins/models'
 * import { loadAdapter } from 'tritune/plugins/peft'
 *
 * using model = loadModel('my-model')
 * using _german = loadAdapter(model, 'german', { name: 'german' })
 * const texts: number[][] = [[], []]
 * const prompts = [[1, 5, 9], [1, 5, 9]]
 * for (const { row, id } of generateBatch(model, prompts, { adapters: ['german', '__base__'], maxNewTokens: 4 }))
 *   texts[row].push(id)
 * console.log(texts.map(({ length }) => length)) // → [ 4, 4 ]
 * ```
 */
export function* generateBatch(
  model: Model,
  prompts: readonly (readonly number[])[],
  { adapters, ...options }: GenerateBatchOptions = {},
): Generator<BatchToken> {
  if (adapters && adapters.length !== prompts.length)
    throw new TrituneError(
      'E_SHAPE',
      `adapters are named for ${adapters.length} prompts, there are ${prompts.length}`,
    )
  const texts = prompts.map((prompt, row) => ({
    row,
    tokens: generate(model, prompt, { ...options, adapters: namesOf(adapters?.[row]) }),
  }))
  try {
    for (let left = texts; left.length > 0;) {
      const more: typeof texts = []
      for (const text of left) {
        const { done, value } = text.tokens.next()
        if (done) continue
        yield { row: text.row, id: value }
        more.push(text)
      }
      left = more
    }
  } finally {
    for (const { tokens } of texts) tokens.return(undefined)
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function namesOf(adapters: DocumentAdapters | undefined): ActiveAdapters | undefined {
  if (adapters === BASE_MODEL) return []
  return typeof adapters === 'string' ? [adapters] : adapters
}
