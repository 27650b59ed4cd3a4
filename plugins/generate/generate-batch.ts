/**
 * Several texts at once, each through adapters of its own: PEFT's `generate(…, adapter_names)`. One pass of the model makes a token of each;
 * nothing is padded, and each text gets the tokens that it would get alone.
 */
import { type DocumentAdapters, type Model, TrituneError } from '../../core/mod.ts'
import { checkedSampling } from './_choose.ts'
import { openBatchEngine } from './batch-engine.ts'
import type { GenerateOptions } from './generate.ts'

/** Options of `generateBatch()`: those of `generate()`, for all texts. */
export interface GenerateBatchOptions extends Omit<GenerateOptions, 'adapters'> {
  /** For each prompt: a name, `__base__` for none, or names with weights; default: those that are active. */
  readonly adapters?: readonly DocumentAdapters[]
  /** For each prompt; default: `seed` for all. */
  readonly seeds?: readonly number[]
  /** Texts that grow at once: as one ends, the next prompt takes its place; default: 32. */
  readonly rowsAtOnce?: number
}

/** A new token of one of the texts. */
export interface BatchToken {
  /** Index of the prompt. */
  readonly row: number
  readonly id: number
}

/**
 * Yields new tokens of all prompts as they come. Throws what `generate()` throws, E_SHAPE when there are not as many entries of `adapters` or
 * `seeds` as prompts, and E_NAME for an adapter that there is not. Breaking out of the loop frees the caches. Equal prompts that follow each
 * other are computed once.
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
  { adapters, seeds, rowsAtOnce = 32, ...options }: GenerateBatchOptions = {},
): Generator<BatchToken> {
  expectEach('adapters are named', adapters, prompts)
  expectEach('seeds are given', seeds, prompts)
  if (prompts.length === 0) return
  const { maxNewTokens, seed } = checkedSampling(options)
  const longest = prompts.reduce((most, { length }) => Math.max(most, length), 1)
  using engine = openBatchEngine(model, {
    rows: Math.min(rowsAtOnce, prompts.length),
    tokens: Math.min(model.info.contextLength, longest + maxNewTokens),
  })
  for (let added = 0; added < prompts.length || engine.open > 0;) {
    for (; added < prompts.length && engine.free > 0; added++)
      engine.add({
        ...options,
        prompt: prompts[added],
        adapters: adapters?.[added],
        seed: seeds?.[added] ?? seed,
      })
    // Texts are numbered as they are added: in the order of the prompts.
    for (const { text, id } of engine.step()) if (id !== null) yield { row: text, id }
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function expectEach(what: string, given: readonly unknown[] | undefined, prompts: readonly unknown[]): void {
  if (given && given.length !== prompts.length)
    throw new TrituneError('E_SHAPE', `${what} for ${given.length} prompts, there are ${prompts.length}`)
}
