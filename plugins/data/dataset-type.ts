/**
 * The one interface of a dataset type: a record of a file → token ids and labels.
 *
 * A type is one file of this folder. It does not read files, cut long examples or know about batches.
 */
import { showValue } from '../../core/config.ts'
import { didYouMean, TrituneError } from '../../core/errors.ts'
import type { DatasetOptions } from './dataset-options.ts'
import type { TokenizerLike } from './tokenizer-like.ts'

/** Label of a token that is not trained. */
export const IGNORE = -100

/** Where a record stands; lines count from 1. */
export interface RecordSource {
  readonly file: string
  readonly line: number
}

export interface DataRecord {
  readonly value: Readonly<Record<string, unknown>>
  readonly source: RecordSource
}

export interface TokenizedExample {
  readonly ids: Int32Array
  /** As long as `ids`: `labels[i]` is `ids[i]` where that token is to be learned, else `IGNORE` (not shifted). */
  readonly labels: Int32Array
  readonly source: RecordSource
}

export interface TokenizeContext {
  readonly tokenizer: TokenizerLike
  readonly options: DatasetOptions
  readonly trainOnInputs: boolean
  /** Tokens that end a turn; null: the EOS token. */
  readonly eotTokens: readonly string[] | null
  /** Something the user should know, said once however many records it concerns. */
  note(text: string): void
}

export interface DatasetType {
  readonly name: string
  /** Examples longer than `sequence_len` are cut into several instead of being dropped. */
  readonly splitsLongText?: boolean
  /** Throws E_DATA with `file:line` when the record does not fit the type. */
  tokenize(record: DataRecord, context: TokenizeContext): TokenizedExample
}

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
export function requireEos({ eosId }: TokenizerLike): number {
  if (eosId !== null) return eosId
  throw new TrituneError(
    'E_TOKENIZER',
    'the tokenizer has no EOS token, so nothing would mark the end of an example',
    {
      remedy: 'set special_tokens.eos_token',
    },
  )
}
