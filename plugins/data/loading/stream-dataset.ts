/**
 * A dataset entry with `streaming: true`: its documents are read, tokenised and put aside one by one, so that neither its files nor its tokens are
 * ever in memory as a whole.
 *
 * For texts (`type: completion`): documents are cut into pieces of `sequence_len`, and packing puts pieces together that attention keeps apart.
 */
import { ConfigError, type ConfigPath } from '../../../core/contracts/config.ts'
import type { TokenizerLike } from '../../../core/contracts/dataset.ts'
import type { DatasetOptions } from '../options/dataset-options.ts'
import type { DatasetType, TokenizedExample } from '../types/dataset-type.ts'
import {
  applyLengthPolicy,
  type LengthPolicy,
  type LengthResult,
  type UntrainedExample,
} from './length-policy.ts'
import { readRecords } from '../files/read-records.ts'
import { isPart } from '../files/record-slice.ts'
import { refusePreferences } from './skipped-records.ts'
import type { TokenSpool } from './token-spool.ts'

/** The entry that is streamed, and with what. */
export interface StreamedEntry {
  readonly path: ConfigPath
  readonly files: readonly string[]
  readonly options: DatasetOptions
  readonly type: DatasetType
  readonly tokenizer: TokenizerLike
  readonly policy: LengthPolicy
  readonly spool: TokenSpool
  note(text: string): void
}

/** Throws a `ConfigError` at the key of the entry that cannot be streamed; E_DATA with `file:line`. */
export function streamEntry(entry: StreamedEntry): LengthResult & { readonly records: number } {
  expectStreamable(entry)
  const { files, options, type, tokenizer, policy, spool, note } = entry
  const context = { tokenizer, options, typeOptions: {}, trainOnInputs: true, eotTokens: null, note }
  const examples: TokenizedExample[] = []
  const untrained: UntrainedExample[] = []
  const counts = { records: 0, tooLong: 0, tooShort: 0, truncated: 0, cut: 0 }
  for (const file of files)
    for (const record of readRecords(file, options)) {
      refusePreferences(record, type.name)
      const found = applyLengthPolicy([type.tokenize(record, context)], policy)
      for (const piece of found.examples) examples.push(spool.add(piece))
      untrained.push(...found.untrained)
      counts.records++
      for (const key of ['tooLong', 'tooShort', 'truncated', 'cut'] as const) counts[key] += found[key]
    }
  return { ...counts, examples, untrained }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function expectStreamable({ path, options, type }: StreamedEntry): void {
  const refuse = (key: string, what: string, remedy: string): ConfigError =>
    new ConfigError([{ path: [...path, key], what, remedy }])
  if (type.name !== 'completion')
    throw refuse(
      'streaming',
      `only texts are streamed (type: completion), not type: ${type.name}`,
      'set type: completion, or leave streaming out',
    )
  if (isPart(options.split))
    throw refuse(
      'split',
      'a part of a split is not streamed: how many records there are is not known before the last one',
      'name the whole split, or leave streaming out',
    )
}
