/**
 * Datasets of a configuration → tokenised examples for training and validation, with a report of what happened.
 *
 * Reads local files only. Batches are made of the examples by `batches.ts`.
 */
import { counted } from '../../../core/counted.ts'
import { ConfigError } from '../../../core/contracts/config.ts'
import type { ExampleKind, TokenizerLike } from '../../../core/contracts/dataset.ts'
import { TrituneError } from '../../../core/errors.ts'
import { createRandom } from '../../../core/tensor/random.ts'
import type { TokenizedExample } from '../types/dataset-type.ts'
import { datasetTypeOf, type DatasetTypes, under } from '../types/dataset-types.ts'
import type { DataConfig } from './data-config.ts'
import { deduplicate } from './deduplicate.ts'
import { isMixture, mixEntries } from './mix-entries.ts'
import { reportSplit } from './dataset-report.ts'
import type { DatasetReport } from './dataset-report.ts'
import { listSources } from './length-policy.ts'
import { type EntryToLoad, loadEntry, type LoadedEntry } from './load-entry.ts'
import { createExampleStream, type ExampleStream } from './example-stream.ts'
import { checkSkipped } from './skipped-records.ts'
import { splitValidation } from './split-validation.ts'
import type { StreamEntry } from './stream-source.ts'
import { openTokenSpool, type TokenSpool } from './token-spool.ts'

/** The examples of a run, and what became of the records on the way. */
export interface LoadedDataset extends Disposable {
  /** With a stream the examples of its first chunk. */
  readonly train: TokenizedExample[]
  readonly validation: TokenizedExample[]
  readonly report: DatasetReport
  /** null: `train` is all that there is. */
  readonly stream: ExampleStream | null
}

/** What loading takes besides the configuration. */
export interface LoadOptions {
  /** Dataset types of plugins, by name. */
  readonly types?: DatasetTypes
  /** What the objective of the run takes; not given: documents. */
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
  if (!config.streaming) {
    const dataset = await loadInto(config, tokenizer, options, spool.open)
    return { ...dataset, stream: null, [Symbol.dispose]: spool.giveAway() }
  }
  const { stream, ...dataset } = await openStream(config, tokenizer, options, spool.open)
  const closeSpool = spool.giveAway()
  return {
    ...dataset,
    stream,
    [Symbol.dispose]() {
      stream[Symbol.dispose]()
      closeSpool()
    },
  }
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
): Promise<Omit<LoadedDataset, typeof Symbol.dispose | 'stream'>> {
  const notes = new Set<string>()
  const main = await loadAll('datasets', config, tokenizer, notes, options, spool)
  const test = await loadAll('test_datasets', config, tokenizer, notes, options, spool)
  const removing = { exact: config.dataset_exact_deduplication, near: config.dataset_near_deduplication }
  const unique = deduplicate(main.examples, removing)
  const uniqueTest = deduplicate(test.examples, removing)
  const merged = config.shuffle_merged_datasets
    ? createRandom(config.seed, 'merged datasets').shuffle(unique.examples)
    : unique.examples
  if (merged.length === 0) throw nothingLeft('datasets', 'trained', main, config)
  if (config.test_datasets.length > 0 && test.examples.length === 0) {
    throw nothingLeft('test_datasets', 'evaluated', test, config)
  }
  checkSkipped('datasets', main.entries, config.max_skipped_share)
  checkSkipped('test_datasets', test.entries, config.max_skipped_share)
  // What is held back is so before a mixture may take an example twice.
  const { train: kept, validation: held } = splitValidation(merged, config.val_set_size)
  const train = isMixture(config.datasets) ? mixed(kept, main.entries, config) : kept
  const validation = [...held, ...uniqueTest.examples]
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
      equal: unique.equal + uniqueTest.equal,
      alike: unique.alike + uniqueTest.alike,
      notes: [...notes],
    },
  }
}

/** The examples of each entry that are left, in the shares of its weight. */
function mixed(
  kept: readonly TokenizedExample[],
  entries: readonly LoadedEntry[],
  { datasets, seed, shuffle_merged_datasets: shuffle }: DataConfig,
): TokenizedExample[] {
  const owners = new Map(
    entries.flatMap(({ examples }, i) => examples.map((example) => [example, i] as const)),
  )
  const parts = Map.groupBy(kept, (example) => owners.get(example) ?? 0)
  const weighted = datasets.map(({ weight, path }, i) => {
    const examples = parts.get(i) ?? []
    if (examples.length > 0) return { examples, weight }
    const isUsed = entries[i].examples.length > 0
    const why = isUsed
      ? 'all of its examples are like others (deduplication) or kept for validation'
      : 'none of them is an example to train'
    throw new ConfigError([
      {
        code: 'E_DATA',
        path: ['datasets', i],
        what: `nothing of ${path} is left to mix: ${counted(entries[i].records, 'record')}, and ${why}`,
        remedy: `${isUsed ? '' : 'raise sequence_len, check its type and fields, or '}take the entry out`,
      },
    ])
  })
  const examples = mixEntries(weighted, seed)
  return shuffle ? createRandom(seed, 'mixture').shuffle(examples) : examples
}

/** The first chunk of the stream; what is evaluated on is loaded as ever. */
async function openStream(
  config: DataConfig,
  tokenizer: TokenizerLike,
  options: LoadOptions,
  spool: () => TokenSpool,
): Promise<Omit<LoadedDataset, typeof Symbol.dispose> & { readonly stream: ExampleStream }> {
  const notes = new Set<string>()
  const test = await loadAll('test_datasets', config, tokenizer, notes, options, spool)
  const entries = foundTypes('datasets', config, options).map((type, i): StreamEntry => {
    const note = (text: string): void => void notes.add(text)
    return {
      path: ['datasets', i],
      options: config.datasets[i],
      type,
      kind: options.kind,
      config,
      tokenizer,
      note,
    }
  })
  const { streaming_multipack_buffer_size: chunkSize, seed, shuffle_merged_datasets: shuffle } = config
  const stream = await createExampleStream({ entries, chunkSize, seed, shuffle })
  try {
    const { examples } = await stream.next()
    checkSkipped('datasets', stream.read, config.max_skipped_share)
    checkSkipped('test_datasets', test.entries, config.max_skipped_share)
    const records = stream.read.reduce((sum, entry) => sum + entry.records, 0)
    notes.add(`streamed: the counts are those of the first ${counted(records, 'record')}`)
    const train = [...examples]
    return {
      stream,
      train,
      validation: test.examples,
      report: {
        ...test,
        train: reportSplit(train),
        validation: reportSplit(test.examples),
        records: records + test.records,
        untrained: [...stream.read.flatMap(({ untrained }) => untrained), ...test.untrained],
        equal: 0,
        alike: 0,
        notes: [...notes],
      },
    }
  } catch (error) {
    stream[Symbol.dispose]()
    throw error
  }
}

/** All entries are checked before the first is read. */
function foundTypes(
  key: 'datasets' | 'test_datasets',
  config: DataConfig,
  { types = {}, kind }: LoadOptions,
): EntryToLoad['type'][] {
  return config[key].map((options, i) => under(key, () => datasetTypeOf(options, types, kind), i))
}

interface AllLoaded extends LoadedEntry {
  readonly entries: readonly LoadedEntry[]
}

async function loadAll(
  key: 'datasets' | 'test_datasets',
  config: DataConfig,
  tokenizer: TokenizerLike,
  notes: Set<string>,
  options: LoadOptions,
  spool: () => TokenSpool,
): Promise<AllLoaded> {
  const { onProgress } = options
  const found = foundTypes(key, config, options)
  const parts: LoadedEntry[] = []
  for (const [i, own] of config[key].entries()) {
    const note = (text: string): void => void notes.add(text)
    const entry = {
      path: [key, i],
      options: own,
      type: found[i],
      kind: options.kind,
      config,
      tokenizer,
      spool,
      note,
    }
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
          : 'check type and the fields of the dataset, and roles_to_train of chats',
    },
  )
}
