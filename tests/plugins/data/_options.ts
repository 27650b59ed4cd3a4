/** Options with defaults and a context for the tests of dataset types. */
import * as v from 'valibot'
import { datasetOptions } from '../../../plugins/data/mod.ts'
import type {
  DataConfig,
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

/** A configuration of some entries, with what a run has where nothing is said. */
export function dataConfig(datasets: readonly object[], given: Partial<DataConfig> = {}): DataConfig {
  return {
    datasets: datasets.map(options),
    test_datasets: [],
    sequence_len: 1000,
    excess_length_strategy: 'drop',
    min_sample_len: 2,
    train_on_inputs: false,
    eot_tokens: null,
    max_skipped_share: 1,
    val_set_size: 0,
    shuffle_merged_datasets: true,
    dataset_prepared_path: null,
    dataset_processes: null,
    dataset_exact_deduplication: false,
    dataset_near_deduplication: null,
    streaming: false,
    streaming_multipack_buffer_size: 10_000,
    seed: 42,
    ...given,
  }
}
