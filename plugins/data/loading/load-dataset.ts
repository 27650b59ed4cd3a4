/**
 * Datasets of a configuration → tokenised examples for training and validation, with a report of what happened.
 *
 * Reads local files only. Batches are made of the examples by `batches.ts`.
 */
import { counted } from '../../../core/counted.ts'
import type { ExampleKind, TokenizerLike } from '../../../core/contracts/dataset.ts'
import { TrituneError } from '../../../core/errors.ts'
import { createRandom } from '../../../core/tensor/random.ts'
import type { DatasetOptions } from '../options/dataset-options.ts'
import type { TokenizedExample } from '../types/dataset-type.ts'
import { datasetTypeOf, type DatasetTypes, under } from '../types/dataset-types.ts'
import { reportSplit } from './dataset-report.ts'
import type { DatasetReport } from './dataset-report.ts'
import { listSources } from './length-policy.ts'
import { type EntryToLoad, loadEntry, type LoadedEntry } from './load-entry.ts'
import { checkSkipped } from './skipped-records.ts'
import { splitValidation } from './split-validation.ts'
import { openTokenSpool, type TokenSpool } from './token-spool.ts'

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
  /** Threads that tokenise; null: as many as are worth it. */
  readonly dataset_processes: number | null
  readonly seed: number
}

/** The examples of a run, and what became of the records on the way. */
export interface LoadedDataset extends Disposable {
  readonly train: TokenizedExample[]
  readonly validation: TokenizedExample[]
  readonly report: DatasetReport
}

/** What loading takes besides the configuration. */
export interface LoadOptions {
  /** Dataset types of plugins, by name. */
  readonly types?: DatasetTypes
  /** What the examples have to be; not given: documents. */
  readonly kind?: ExampleKind
  /** Told how far each entry is. */
  readonly onProgress?: EntryToLoad['onProgress']
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
 * using data = await loadDataset(config, openTokenizer('my-model', config))
 * console.log(data.train.length, formatReport(data.report).length > 0) // → 16 true
 * ```
 */
export async function loadDataset(
  config: DataConfig,
  tokenizer: TokenizerLike,
  options: LoadOptions = {},
): Promise<LoadedDataset> {
  using spool = lazySpool(config.dataset_prepared_path)
  const dataset = await loadInto(config, tokenizer, options, spool.open)
  return { ...dataset, [Symbol.dispose]: spool.giveAway() }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

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

async function loadInto(
  config: DataConfig,
  tokenizer: TokenizerLike,
  options: LoadOptions,
  spool: () => TokenSpool,
): Promise<Omit<LoadedDataset, typeof Symbol.dispose>> {
  const notes = new Set<string>()
  const main = await loadAll('datasets', config, tokenizer, notes, options, spool)
  const test = await loadAll('test_datasets', config, tokenizer, notes, options, spool)
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

interface AllLoaded extends LoadedEntry {
  readonly entries: readonly LoadedEntry[]
}

async function loadAll(
  key: 'datasets' | 'test_datasets',
  config: DataConfig,
  tokenizer: TokenizerLike,
  notes: Set<string>,
  { types = {}, kind = 'document', onProgress }: LoadOptions,
  spool: () => TokenSpool,
): Promise<AllLoaded> {
  // All entries are checked before the first is read.
  const found = config[key].map((options, i) => under(key, () => datasetTypeOf(options, types, kind), i))
  const parts: LoadedEntry[] = []
  for (const [i, options] of config[key].entries()) {
    const note = (text: string): void => void notes.add(text)
    const entry = { path: [key, i], options, type: found[i], kind, config, tokenizer, spool, note }
    parts.push(await loadEntry({ ...entry, ...(onProgress ? { onProgress } : {}) }))
  }
  const total = (count: (part: LoadedEntry) => number): number =>
    parts.reduce((sum, part) => sum + count(part), 0)
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

function nothingLeft(
  place: string,
  verb: string,
  { records, tooLong, tooShort, untrained }: LoadedEntry,
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
