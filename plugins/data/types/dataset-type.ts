/**
 * The one interface of a dataset type: a record of a file → token ids and labels.
 *
 * A type is one file of this folder. It does not read files, cut long examples or know about batches.
 */
import { showValue } from '../../../core/contracts/config.ts'
import type {
  DataRecord,
  DatasetContext,
  DatasetDefinition,
  RecordSource,
  TokenizerLike,
} from '../../../core/contracts/dataset.ts'
import { didYouMean, TrituneError } from '../../../core/errors.ts'
import type { DatasetOptions } from '../options/dataset-options.ts'

export type { DataRecord, RecordSource, TokenizedExample } from '../../../core/contracts/dataset.ts'

/** Label of a token that is not trained: −100, as in torch. */
export const IGNORE = -100

/**
 * What a built-in dataset type is given beside the record: the tokenizer, the options of its entry, and those of the
 * run.
 */
export interface TokenizeContext extends DatasetContext {
  readonly options: DatasetOptions
  /** Tokens that end a turn; null: the EOS token. */
  readonly eotTokens: readonly string[] | null
}

/**
 * A built-in dataset type: one record → ids and labels. Those of plugins are a `DatasetDefinition` with options of
 * their own.
 */
export type DatasetType = DatasetDefinition<TokenizeContext>

export function placeOfRecord({ file, line }: RecordSource): string {
  return `${file}:${line}`
}

export function recordError(source: RecordSource, what: string, remedy?: string): TrituneError {
  return new TrituneError('E_DATA', what, { place: placeOfRecord(source), remedy })
}

/** The text under `key`; missing, null and other kinds of value are errors. */
export function textField({ value, source }: DataRecord, key: string): string {
  const text = value[key]
  if (typeof text === 'string') return text
  if (text === undefined) {
    throw recordError(source, `there is no "${key}"; ${didYouMean(key, Object.keys(value))}`)
  }
  throw recordError(source, `expected "${key}" to be a text, got ${showValue(text)}`)
}

/** The text under `key`, or '' when it is missing or null. */
export function optionalTextField(record: DataRecord, key: string): string {
  return record.value[key] === undefined || record.value[key] === null ? '' : textField(record, key)
}

/** The EOS id. Throws E_TOKENIZER: without it nothing would teach the model to stop. */
export function requireEos({ eosId }: Pick<TokenizerLike, 'eosId'>): number {
  if (eosId !== null) return eosId
  throw new TrituneError(
    'E_TOKENIZER',
    'the tokenizer has no EOS token, so nothing would mark the end of an example',
    {
      remedy: 'set special_tokens.eos_token',
    },
  )
}
