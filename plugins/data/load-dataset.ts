/**
 * Datasets of a configuration → tokenised examples for training and validation, with a report of what happened.
 *
 * Reads local files only. Batches are made of the examples by `batches.ts`.
 */
import { TrituneError } from '../../core/errors.ts'
import { createRandom } from '../../core/tensor/random.ts'
import { datasetFiles } from './dataset-files.ts'
import type { DatasetOptions } from './dataset-options.ts'
import { reportSplit } from './dataset-report.ts'
import type { DatasetReport } from './dataset-report.ts'
import type { TokenizedExample } from './dataset-type.ts'
import { datasetTypeOf, type DatasetTypes, under } from './dataset-types.ts'
import { applyLengthPolicy, listSources } from './length-policy.ts'
import type { LengthResult } from './length-policy.ts'
import { readRecords } from './read-records.ts'
import { recordSlice } from './record-slice.ts'
import { splitValidation } from './split-validation.ts'
import { cacheKey, cachePath, readCache, writeCache } from './tokenized-cache.ts'
import type { CachedDataset } from './tokenized-cache.ts'
import type { TokenizerLike } from '../../core/contracts/dataset.ts'

/** The part of a fine-tuning configuration that concerns data. */
export interface DataConfig {
  readonly datasets: readonly DatasetOptions[]
  readonly test_datasets: readonly DatasetOptions[]
  readonly sequence_len: number
  readonly excess_length_strategy: 'drop' | 'truncate' | 'raise'
  readonly min_sample_len: number
  readonly train_on_inputs: boolean
  readonly eot_tokens: readonly string[] | null
  /** Below 1 a part of the examples, from 1 a number of them. */
  readonly val_set_size: number
  readonly shuffle_merged_datasets: boolean
  readonly dataset_prepared_path: string | null
  readonly seed: number
}

export interface LoadedDataset {
  readonly train: TokenizedExample[]
  readonly validation: TokenizedExample[]
  readonly report: DatasetReport
}

/** Throws E_FILE, E_DATA (with `file:line` where there is one), E_TOKENIZER, E_DISK. */
export function loadDataset(
  config: DataConfig,
  tokenizer: TokenizerLike,
  types: DatasetTypes = {},
): LoadedDataset {
  const notes = new Set<string>()
  const main = loadAll('datasets', config, tokenizer, notes, types)
  const test = loadAll('test_datasets', config, tokenizer, notes, types)
  const merged = config.shuffle_merged_datasets
    ? createRandom(config.seed, 'merged datasets').shuffle(main.examples)
    : main.examples
  if (merged.length === 0) throw nothingLeft('datasets', 'trained', main, config)
  if (config.test_datasets.length > 0 && test.examples.length === 0) {
    throw nothingLeft('test_datasets', 'evaluated', test, config)
  }
  const { train, validation: held } = splitValidation(merged, config.val_set_size, config.seed)
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

type FoundType = ReturnType<typeof datasetTypeOf>

interface Loaded extends LengthResult {
  readonly records: number
}

function loadAll(
  key: 'datasets' | 'test_datasets',
  config: DataConfig,
  tokenizer: TokenizerLike,
  notes: Set<string>,
  types: DatasetTypes,
): Loaded {
  // All entries are checked before the first is read.
  const found = config[key].map((options, i) => under(key, () => datasetTypeOf(options, types), i))
  const parts = config[key].map((options, i) => loadOne(options, found[i], config, tokenizer, notes))
  const total = (count: (part: Loaded) => number): number => parts.reduce((sum, part) => sum + count(part), 0)
  return {
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
  options: DatasetOptions,
  type: FoundType,
  config: DataConfig,
  tokenizer: TokenizerLike,
  notes: Set<string>,
): Loaded {
  const files = datasetFiles(options)
  const { examples, notes: found } = tokenizeCached(files, options, type, config, tokenizer, notes)
  for (const note of found) notes.add(note)
  if (examples.length === 0) {
    throw new TrituneError('E_DATA', 'there are no records', {
      place: files.join(', '),
      remedy: 'write one JSON object on each line, or name another file',
    })
  }
  const result = applyLengthPolicy(examples, {
    sequenceLen: config.sequence_len,
    strategy: config.excess_length_strategy,
    minSampleLen: config.min_sample_len,
    splitsLongText: type.type.splitsLongText ?? false,
  })
  return { ...result, records: examples.length }
}

function tokenizeCached(
  files: readonly string[],
  options: DatasetOptions,
  type: FoundType,
  config: DataConfig,
  tokenizer: TokenizerLike,
  notes: Set<string>,
): CachedDataset {
  const folder = config.dataset_prepared_path
  // What a plugin's type does can change without a sign in the key.
  if (folder === null || !type.isBuiltIn) return tokenizeFiles(files, options, type, config, tokenizer)
  const key = cacheKey({
    files,
    options,
    trainOnInputs: config.train_on_inputs,
    eotTokens: config.eot_tokens,
    tokenizer,
  })
  const path = cachePath(folder, key)
  const cached = readCache(path, key, files)
  if (cached === 'damaged') notes.add(`${path} was damaged and has been made anew`)
  else if (cached !== undefined) return cached
  const fresh = tokenizeFiles(files, options, type, config, tokenizer)
  writeCache(path, key, files, fresh)
  return fresh
}

function tokenizeFiles(
  files: readonly string[],
  options: DatasetOptions,
  { type, typeOptions }: FoundType,
  config: DataConfig,
  tokenizer: TokenizerLike,
): CachedDataset {
  const notes = new Set<string>()
  const context = {
    tokenizer,
    options,
    typeOptions,
    trainOnInputs: config.train_on_inputs,
    eotTokens: config.eot_tokens,
    note: (text: string) => void notes.add(text),
  }
  const takesAll = options.split === null || options.split === 'train'
  const examples: TokenizedExample[] = []
  if (takesAll) {
    for (const file of files) {
      for (const record of readRecords(file, options)) examples.push(type.tokenize(record, context))
    }
  } else {
    const records = files.flatMap((file) => [...readRecords(file, options)])
    const { start, end } = recordSlice(options.split, records.length)
    for (const record of records.slice(start, end)) examples.push(type.tokenize(record, context))
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
    untrained.length > 0 ? `${untrained.length} have nothing to learn (${listSources(untrained)})` : '',
  ].filter((reason) => reason !== '')
  return new TrituneError('E_DATA', `none of the ${records} examples can be ${verb}: ${reasons.join('; ')}`, {
    place,
    remedy:
      tooLong > 0
        ? 'raise sequence_len or set excess_length_strategy: truncate'
        : 'check type, roles_to_train and the fields of the dataset',
  })
}
