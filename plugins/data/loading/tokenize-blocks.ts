/**
 * Records of an entry → examples, in the order of its files: here, or in worker threads where there is much to do. How many workers there
 * are changes nothing of what comes out.
 */
import type { ExampleKind, TokenizerLike } from '../../../core/contracts/dataset.ts'
import { TrituneError } from '../../../core/errors.ts'
import { inPlugin } from '../../../core/plugin-guard.ts'
import { readBlock } from '../files/read-records.ts'
import type { RecordBlock } from '../files/record-block.ts'
import type { DatasetOptions } from '../options/dataset-options.ts'
import { placeOfRecord, recordError } from '../types/dataset-type.ts'
import type { DataRecord, DatasetType, TokenizeContext, TokenizedExample } from '../types/dataset-type.ts'
import type { FoundType } from '../types/dataset-types.ts'
import { refusePreferences } from './skipped-records.ts'

/** What makes examples of the records of an entry. */
export interface EntryTokenizer {
  readonly options: DatasetOptions
  readonly type: FoundType
  readonly kind: ExampleKind | undefined
  readonly tokenizer: TokenizerLike
  readonly trainOnInputs: boolean
  readonly eotTokens: readonly string[] | null
  note(text: string): void
}

/** The examples of a block, some at a time. Throws E_DATA with `file:line`. */
export async function* tokenizeBlock(
  block: RecordBlock,
  entry: EntryTokenizer,
): AsyncGenerator<readonly TokenizedExample[]> {
  const tokenize = recordTokenizer(entry)
  for await (const records of readBlock(block, entry.options)) yield records.map(tokenize)
}

/** What makes an example of a record. */
export function recordTokenizer(entry: EntryTokenizer): (record: DataRecord) => TokenizedExample {
  const { options, kind, tokenizer, trainOnInputs, eotTokens, note } = entry
  const { type, typeOptions, isBuiltIn } = entry.type
  const context = { tokenizer, options, typeOptions, kind, trainOnInputs, eotTokens, note }
  return (record) => {
    refusePreferences(record, type.name)
    return ofRecord(record, () =>
      isBuiltIn ? type.tokenize(record, context) : tokenizeByPlugin(type, record, context),
    )
  }
}

/** A text that no tokenizer takes is a fault of its record, not of the tokenizer that says so. */
function ofRecord<T>(record: DataRecord, run: () => T): T {
  try {
    return run()
  } catch (error) {
    if (!(error instanceof TrituneError) || error.code !== 'E_TOKENIZER' || isWellFormed(record.value))
      throw error
    throw recordError(record.source, error.what, error.remedy)
  }
}

function isWellFormed(value: unknown): boolean {
  if (typeof value === 'string') return value.isWellFormed()
  return typeof value !== 'object' || value === null || Object.values(value).every(isWellFormed)
}

/** What a plugin's type makes of a record, checked: E_PLUGIN with the record's place. */
function tokenizeByPlugin(type: DatasetType, record: DataRecord, context: TokenizeContext): TokenizedExample {
  const place = placeOfRecord(record.source)
  const what = `the dataset type ${type.name}`
  const example = inPlugin(what, () => type.tokenize(record, context), place)
  const { ids, labels } = example
  if (ids instanceof Int32Array && labels instanceof Int32Array && ids.length === labels.length)
    return example
  const got = `${ids?.length ?? 'no'} ids and ${labels?.length ?? 'no'} labels`
  throw new TrituneError('E_PLUGIN', `${what} gave ${got}`, {
    place,
    remedy:
      'tokenize() returns two Int32Arrays of the same length, with −100 as the label of what is not trained',
  })
}
