/** Options with defaults and a context for the tests of dataset types. */
import * as v from 'valibot'
import { datasetOptions } from '../../../plugins/data/mod.ts'
import type {
  DatasetOptions,
  TokenizeContext,
  TokenizedExample,
  TokenizerLike,
} from '../../../plugins/data/mod.ts'
import { TrituneError } from '../../../core/errors.ts'

export function options(given: object): DatasetOptions {
  return v.parse(datasetOptions, { path: 'train.jsonl', ...given })
}

export interface ContextOptions {
  readonly dataset?: object
  readonly trainOnInputs?: boolean
  readonly eotTokens?: readonly string[] | null
  readonly notes?: string[]
}

export function context(
  tokenizer: TokenizerLike,
  { dataset = {}, trainOnInputs = false, eotTokens = null, notes = [] }: ContextOptions = {},
): TokenizeContext {
  return {
    tokenizer,
    options: options(dataset),
    typeOptions: {},
    trainOnInputs,
    eotTokens,
    note: (text) => void notes.push(text),
  }
}

export const SOURCE = { file: 'train.jsonl', line: 17 }

export function errorOf(run: () => unknown): TrituneError {
  try {
    run()
  } catch (error) {
    if (error instanceof TrituneError) return error
    throw error
  }
  throw new Error('expected an error')
}

/** `errorOf()` of what is waited for. */
export async function failureOf(run: () => Promise<unknown>): Promise<TrituneError> {
  const failed = await run().then(
    () => undefined,
    (error: unknown) => error,
  )
  if (failed instanceof TrituneError) return failed
  throw failed ?? new Error('expected an error')
}

/** What stored examples hold, as values that can be compared. */
export function plainExamples(examples: readonly TokenizedExample[]): TokenizedExample[] {
  return examples.map(({ ids, labels, source }) => ({ ids, labels, source }))
}
