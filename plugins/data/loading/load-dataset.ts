/**
 * Datasets of a configuration → tokenised examples for training and validation, with a report of what happened.
 *
 * Reads local files only. Batches are made of the examples by `batches.ts`.
 */
import { counted } from '../../../core/counted.ts'
import { ConfigError } from '../../../core/contracts/config.ts'
import type { ConfigPath } from '../../../core/contracts/config.ts'
import { TrituneError } from '../../../core/errors.ts'
import { inPlugin } from '../../../core/plugin-guard.ts'
import { createRandom } from '../../../core/tensor/random.ts'
import { datasetFiles, filesInNoSplit } from '../files/dataset-files.ts'
import type { DatasetOptions } from '../options/dataset-options.ts'
import { reportSplit } from './dataset-report.ts'
import type { DatasetReport } from './dataset-report.ts'
import { placeOfRecord } from '../types/dataset-type.ts'
import type { DataRecord, DatasetType, TokenizeContext, TokenizedExample } from '../types/dataset-type.ts'
import {
  atKey,
  datasetTypeOf,
  type DatasetTypes,
  type FoundType,
  under,
  untrainedReason,
} from '../types/dataset-types.ts'
import { applyLengthPolicy, listSources } from './length-policy.ts'
import type { LengthResult } from './length-policy.ts'
import { readRecords } from '../files/read-records.ts'
import { isPart, recordSlice } from '../files/record-slice.ts'
import { checkSkipped, refusePreferences } from './skipped-records.ts'
import { streamEntry } from './stream-dataset.ts'
import { openTokenSpool, type TokenSpool } from './token-spool.ts'
import { splitValidation } from './split-validation.ts'
import { cacheKey, cachePath, readCache, writeCache } from './tokenized-cache.ts'
import type { CachedDataset } from './tokenized-cache.ts'
import type { ExampleKind, TokenizerLike } from '../../../core/contracts/dataset.ts'

/** The part of a fine-tuning configuration that concerns data. */
export interface DataConfig {
  readonly datasets: readonly DatasetOptions[]
  readonly test_datasets: readonly DatasetOptions[]
  readonly sequence_len: number
  readonly excess_length_strategy: 'drop' | 'truncate' | 'raise'
  readonly min_sample_len: number
  readonly train_on_inputs: boolean
  readonly eot_tokens: readonly string[] | null
  /** The largest part of the records of an entry that may have nothing to learn. */
  readonly max_skipped_share: number
  /** Below 1 a part of the examples, from 1 a number of them. */
  readonly val_set_size: number
  readonly shuffle_merged_datasets: boolean
  readonly dataset_prepared_path: string | null
  readonly seed: number
}

/** The examples of a run, and what became of the records on the way. */
export interface LoadedDataset extends Disposable {
  readonly train: TokenizedExample[]
  readonly validation: TokenizedExample[]
  readonly report: DatasetReport
}

/**
 * Throws E_FILE, E_DATA (with `file:line` where there is one), E_TOKENIZER, E_DISK.
 *
 * @example
 * ```ts
 * import { formatReport, loadDataset } from 'tritune/plugins/data'
 * import { finetuneConfig, openTokenizer } from 'tritune/plugins/finetune'
 *
 * const config = finetuneConfig.validate({
 *   base_model: 'my-model',
 *   datasets: [{ path: 'my-data.jsonl', type: 'alpaca' }],
 *   learning_rate: 1e-4,
 * })
 * using data = loadDataset(config, openTokenizer('my-model', config))
 * console.log(data.train.length, formatReport(data.report).length > 0) // → 16 true
 * ```
 */
export function loadDataset(
  config: DataConfig,
  tokenizer: TokenizerLike,
  types: DatasetTypes = {},
  kind: ExampleKind = 'document',
): LoadedDataset {
  using spool = lazySpool(config.dataset_prepared_path)
  const dataset = loadInto(config, tokenizer, { types, kind }, spool.open)
  return { ...dataset, [Symbol.dispose]: spool.giveAway() }
}

interface LazySpool extends Disposable {
  open(): TokenSpool
  /** What closes it, for whoever has the examples. */
  giveAway(): () => void
}

/** No file is made before something is streamed. */
function lazySpool(folder: string | null): LazySpool {
  let spool: TokenSpool | null = null
  return {
    open: () => (spool ??= openTokenSpool(folder ?? undefined)),
    giveAway() {
      const given = spool
      spool = null
      return given ? () => given[Symbol.dispose]() : nothingToClose
    },
    [Symbol.dispose]: () => spool?.[Symbol.dispose](),
  }
}

function nothingToClose(): void {}

function loadInto(
  config: DataConfig,
  tokenizer: TokenizerLike,
  types: WantedTypes,
  spool: () => TokenSpool,
): Omit<LoadedDataset, typeof Symbol.dispose> {
  const notes = new Set<string>()
  const main = loadAll('datasets', config, tokenizer, notes, types, spool)
  const test = loadAll('test_datasets', config, tokenizer, notes, types, spool)
  const merged = config.shuffle_merged_datasets
    ? createRandom(config.seed, 'merged datasets').shuffle(main.examples)
    : main.examples
  if (merged.length === 0) throw nothingLeft('datasets', 'trained', main, config)
  if (config.test_datasets.length > 0 && test.examples.length === 0) {
    throw nothingLeft('test_datasets', 'evaluated', test, config)
  }
  checkSkipped('datasets', main.entries, config.max_skipped_share)
  checkSkipped('test_datasets', test.entries, config.max_skipped_share)
  const { train, validation: held } = splitValidation(merged, config.val_set_size)
  const validation = [...held, ...test.examples]
  return {
    train,
    validation,
    report: {
      train: reportSplit(train),
      validation: reportSplit(validation),
      records: main.records + test.records,
      tooLong: main.tooLong + test.tooLong,
      tooShort: main.tooShort + test.tooShort,
      truncated: main.truncated + test.truncated,
      cut: main.cut + test.cut,
      untrained: [...main.untrained, ...test.untrained],
      notes: [...notes],
    },
  }
}

/** Types of plugins, and what their examples have to be. */
interface WantedTypes {
  readonly types: DatasetTypes
  readonly kind: ExampleKind
}

interface EntryType extends FoundType {
  readonly kind: ExampleKind
}

interface Loaded extends LengthResult {
  readonly records: number
}

interface AllLoaded extends Loaded {
  readonly entries: readonly Loaded[]
}

function loadAll(
  key: 'datasets' | 'test_datasets',
  config: DataConfig,
  tokenizer: TokenizerLike,
  notes: Set<string>,
  { types, kind }: WantedTypes,
  spool: () => TokenSpool,
): AllLoaded {
  // All entries are checked before the first is read.
  const found = config[key].map((options, i) => under(key, () => datasetTypeOf(options, types, kind), i))
  const parts = config[key].map((options, i) =>
    loadOne([key, i], options, { ...found[i], kind }, config, tokenizer, notes, spool),
  )
  const total = (count: (part: Loaded) => number): number => parts.reduce((sum, part) => sum + count(part), 0)
  return {
    entries: parts,
    examples: parts.flatMap(({ examples }) => examples),
    untrained: parts.flatMap(({ untrained }) => untrained),
    records: total(({ records }) => records),
    tooLong: total(({ tooLong }) => tooLong),
    tooShort: total(({ tooShort }) => tooShort),
    truncated: total(({ truncated }) => truncated),
    cut: total(({ cut }) => cut),
  }
}

function loadOne(
  path: ConfigPath,
  options: DatasetOptions,
  type: EntryType,
  config: DataConfig,
  tokenizer: TokenizerLike,
  notes: Set<string>,
  spool: () => TokenSpool,
): Loaded {
  const filesKey = options.data_files.length > 0 ? 'data_files' : 'path'
  const files = atKey([...path, filesKey], () => datasetFiles(options))
  const others = filesInNoSplit(options)
  if (others.length > 0)
    notes.add(
      `${options.path}: ${others.length} files are in no split and are left out (${others.slice(0, 3).join(', ')}${others.length > 3 ? ', …' : ''})`,
    )
  const policy = {
    sequenceLen: config.sequence_len,
    strategy: config.excess_length_strategy,
    minSampleLen: config.min_sample_len,
    splitsLongText: type.type.splitsLongText ?? false,
    untrainedReason: untrainedReason(type.type),
  }
  if (options.streaming) {
    const note = (text: string): void => void notes.add(text)
    const entry = { path, files, options, type: type.type, tokenizer, policy, note }
    const streamed = streamEntry({ ...entry, spool: spool() })
    if (streamed.records === 0) throw noRecords([...path, filesKey], files)
    return streamed
  }
  const { examples, notes: found } = tokenizeCached(path, files, options, type, config, tokenizer, notes)
  for (const note of found) notes.add(note)
  if (examples.length === 0) throw noRecords([...path, filesKey], files)
  return { ...applyLengthPolicy(examples, policy), records: examples.length }
}

function noRecords(path: ConfigPath, files: readonly string[]): ConfigError {
  return new ConfigError([
    {
      code: 'E_DATA',
      path,
      what: `there are no records in ${files.join(', ')}`,
      remedy: 'write one JSON object on each line, or name another file',
    },
  ])
}

function tokenizeCached(
  path: ConfigPath,
  files: readonly string[],
  options: DatasetOptions,
  type: EntryType,
  config: DataConfig,
  tokenizer: TokenizerLike,
  notes: Set<string>,
): CachedDataset {
  const folder = config.dataset_prepared_path
  // What a plugin's type does can change without a sign in the key.
  if (folder === null || !type.isBuiltIn) return tokenizeFiles(path, files, options, type, config, tokenizer)
  const key = cacheKey({
    files,
    options,
    trainOnInputs: config.train_on_inputs,
    eotTokens: config.eot_tokens,
    tokenizer,
  })
  const file = cachePath(folder, key)
  const cached = readCache(file, key, files)
  if (cached === 'damaged') notes.add(`${file} was damaged and has been made anew`)
  else if (cached !== undefined) return cached
  const fresh = tokenizeFiles(path, files, options, type, config, tokenizer)
  writeCache(file, key, files, fresh)
  return fresh
}

function tokenizeFiles(
  path: ConfigPath,
  files: readonly string[],
  options: DatasetOptions,
  { type, typeOptions, isBuiltIn, kind }: EntryType,
  config: DataConfig,
  tokenizer: TokenizerLike,
): CachedDataset {
  const notes = new Set<string>()
  const context = {
    tokenizer,
    options,
    typeOptions,
    kind,
    trainOnInputs: config.train_on_inputs,
    eotTokens: config.eot_tokens,
    note: (text: string) => void notes.add(text),
  }
  const examples: TokenizedExample[] = []
  const tokenize = (record: DataRecord): void => {
    refusePreferences(record, type.name)
    examples.push(isBuiltIn ? type.tokenize(record, context) : tokenizeByPlugin(type, record, context))
  }
  if (isPart(options.split)) {
    const records = files.flatMap((file) => [...readRecords(file, options)])
    const { start, end } = atKey([...path, 'split'], () => recordSlice(options.split, records.length))
    records.slice(start, end).forEach(tokenize)
  } else {
    for (const file of files) for (const record of readRecords(file, options)) tokenize(record)
  }
  return { examples, notes: [...notes] }
}

function nothingLeft(
  place: string,
  verb: string,
  { records, tooLong, tooShort, untrained }: Loaded,
  config: DataConfig,
): TrituneError {
  const reasons = [
    tooLong > 0 ? `${tooLong} are longer than sequence_len (${config.sequence_len})` : '',
    tooShort > 0 ? `${tooShort} are shorter than min_sample_len (${config.min_sample_len})` : '',
    untrained.length > 0
      ? `${untrained.length} have nothing to learn (${[...new Set(untrained.map(({ reason }) => reason))].join('; ')}: ${listSources(untrained)})`
      : '',
  ].filter((reason) => reason !== '')
  return new TrituneError(
    'E_DATA',
    `none of the ${counted(records, 'example')} can be ${verb}: ${reasons.join('; ')}`,
    {
      place,
      remedy:
        tooLong > 0
          ? 'raise sequence_len or set excess_length_strategy: truncate'
          : 'check type, roles_to_train and the fields of the dataset',
    },
  )
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
