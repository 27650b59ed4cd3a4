/** One entry of `datasets`: its files → examples that fit the run, with what became of the records. */
import { ConfigError } from '../../../core/contracts/config.ts'
import type { ConfigPath } from '../../../core/contracts/config.ts'
import type { ExampleKind, TokenizerLike } from '../../../core/contracts/dataset.ts'
import { TrituneError } from '../../../core/errors.ts'
import { checkChatTemplate } from '../chat/chat-template-source.ts'
import { datasetFiles, filesInNoSplit } from '../files/dataset-files.ts'
import { formatOfName } from '../files/file-format.ts'
import { readRecords, recordBlocks } from '../files/read-records.ts'
import type { RecordBlock } from '../files/record-block.ts'
import { isPart, recordSlice } from '../files/record-slice.ts'
import type { DatasetOptions } from '../options/dataset-options.ts'
import type { TokenizedExample } from '../types/dataset-type.ts'
import { atKey, type FoundType, isKeepable, untrainedReason } from '../types/dataset-types.ts'
import { applyLengthPolicy, type LengthPolicy, type LengthResult } from './length-policy.ts'
import type { DataConfig } from './data-config.ts'
import { type EntryTokenizer, recordTokenizer, tokenizeBlock } from './tokenize-blocks.ts'
import { createTokenStore, type ExampleStore } from './token-store.ts'
import { cacheKey, cachePath, type CachedDataset, readCache, writeCache } from './tokenized-cache.ts'
import { tokenizeInWorkers } from './workers.ts'

/** An entry, and what it is read with. */
export interface EntryToLoad {
  /** Where it stands in the configuration. */
  readonly path: ConfigPath
  readonly options: DatasetOptions
  readonly type: FoundType
  /** What its examples have to be; undefined: documents. */
  readonly kind: ExampleKind | undefined
  readonly config: DataConfig
  readonly tokenizer: TokenizerLike
  /** The store of entries that are streamed. */
  spool(): ExampleStore
  note(text: string): void
  /** Told how far the entry is. */
  onProgress?(progress: TokenizeProgress): void
}

/** How far the records of an entry are tokenised. */
export interface TokenizeProgress {
  /** As the file of the run has it. */
  readonly dataset: string
  readonly records: number
  /** Parts of its files that are done, of all. */
  readonly done: number
  readonly total: number
}

export interface LoadedEntry extends LengthResult {
  readonly records: number
}

/** Throws a `ConfigError` at the key that cannot be; E_DATA with `file:line`. */
export async function loadEntry(given: EntryToLoad): Promise<LoadedEntry> {
  expectStreamable(given)
  const entry = { ...given, tokenizer: entryTokenizer(given) }
  const { path, options, note } = entry
  const filesKey = options.data_files.length > 0 ? 'data_files' : 'path'
  const files = atKey([...path, filesKey], () => datasetFiles(options))
  noteOthers(options, note)
  const { examples, notes } = await tokenizeCached(entry, files)
  notes.forEach(note)
  if (examples.length === 0) throw noRecords([...path, filesKey], files)
  return { ...applyLengthPolicy(examples, lengthPolicy(entry)), records: examples.length }
}

/** Pairs and labels are kept in memory. */
function expectStreamable({ path, options: { streaming }, kind }: EntryToLoad): void {
  if (!streaming || kind === undefined || kind === 'document') return
  throw new ConfigError([
    {
      path: [...path, 'streaming'],
      what: 'pairs of answers and answers with labels are not streamed',
      remedy: 'leave streaming out',
    },
  ])
}

/** The tokenizer, with the chat template of the entry where it has one. */
export function entryTokenizer({
  path,
  options: { chat_template, chat_template_jinja },
  tokenizer,
}: Pick<EntryToLoad, 'path' | 'options' | 'tokenizer'>): TokenizerLike {
  if (chat_template === null && chat_template_jinja === null) return tokenizer
  return atKey([...path, chat_template_jinja === null ? 'chat_template' : 'chat_template_jinja'], () => {
    checkChatTemplate({
      chat_template: chat_template_jinja === null ? chat_template : 'jinja',
      chat_template_jinja,
    })
    if (tokenizer.withChatTemplate) return tokenizer.withChatTemplate({ chat_template, chat_template_jinja })
    throw new TrituneError('E_TOKENIZER', 'this tokenizer takes no chat template of one dataset')
  })
}

/** What becomes of long and short examples of an entry. */
export function lengthPolicy({ config, type }: Pick<EntryToLoad, 'config' | 'type'>): LengthPolicy {
  return {
    sequenceLen: config.sequence_len,
    strategy: config.excess_length_strategy,
    minSampleLen: config.min_sample_len,
    splitsLongText: type.type.splitsLongText ?? false,
    untrainedReason: untrainedReason(type.type),
  }
}

/** The entry at `path` has no record. */
export function noRecords(path: ConfigPath, files: readonly string[]): ConfigError {
  return new ConfigError([
    {
      code: 'E_DATA',
      path,
      what: `there are no records in ${files.join(', ')}`,
      remedy: `${files.every((file) => formatOfName(file) === 'json') ? 'write one JSON object on each line' : 'write some into it'}, or name another file`,
    },
  ])
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function noteOthers(options: DatasetOptions, note: (text: string) => void): void {
  const others = filesInNoSplit(options)
  if (others.length === 0) return
  const shown = `${others.slice(0, 3).join(', ')}${others.length > 3 ? ', …' : ''}`
  note(`${options.path}: ${others.length} files are in no split and are left out (${shown})`)
}

async function tokenizeCached(entry: EntryToLoad, files: readonly string[]): Promise<CachedDataset> {
  const { config, options, type, kind, tokenizer } = entry
  const folder = config.dataset_prepared_path
  // What a plugin's type does can change without a sign in the key, unless it has a version. What is streamed may not fit in memory.
  if (folder === null || !isKeepable(type) || options.streaming) return await tokenizeFiles(entry, files)
  const key = cacheKey({
    files,
    options,
    trainOnInputs: config.train_on_inputs,
    eotTokens: config.eot_tokens,
    tokenizer,
    kind,
    recipe: type.isBuiltIn ? undefined : type.type.recipe,
  })
  const file = cachePath(folder, key)
  const cached = readCache(file, key, files)
  if (cached === 'damaged') entry.note(`${file} was damaged and has been made anew`)
  else if (cached !== undefined) return cached
  const fresh = await tokenizeFiles(entry, files)
  writeCache(file, key, files, fresh)
  return fresh
}

async function tokenizeFiles(entry: EntryToLoad, files: readonly string[]): Promise<CachedDataset> {
  const { config, options, type, kind, tokenizer } = entry
  const notes = new Set<string>()
  const tokenizing: EntryTokenizer = {
    options,
    type,
    kind,
    tokenizer,
    trainOnInputs: config.train_on_inputs,
    eotTokens: config.eot_tokens,
    note: (text) => void notes.add(text),
  }
  const store = options.streaming ? entry.spool() : createTokenStore()
  const examples: TokenizedExample[] = []
  const keep = (example: TokenizedExample): void => void examples.push(store.add(example))
  if (isPart(options.split)) await tokenizePart(entry, files, recordTokenizer(tokenizing), keep)
  else {
    const blocks: RecordBlock[] = []
    for (const file of files) blocks.push(...(await recordBlocks(file, options)))
    const tell = (done: number): void =>
      entry.onProgress?.({ dataset: options.path, records: examples.length, done, total: blocks.length })
    await tokenizeAll(blocks, tokenizing, config.dataset_processes, keep, tell)
  }
  return { examples, notes: [...notes] }
}

async function tokenizeAll(
  blocks: readonly RecordBlock[],
  entry: EntryTokenizer,
  processes: number | null,
  keep: (example: TokenizedExample) => void,
  tell: (done: number) => void,
): Promise<void> {
  const inWorkers = tokenizeInWorkers(blocks, entry, processes)
  let done = 0
  if (inWorkers !== null) {
    for await (const examples of inWorkers) {
      examples.forEach(keep)
      tell(++done)
    }
    return
  }
  for (const block of blocks) {
    for await (const examples of tokenizeBlock(block, entry)) examples.forEach(keep)
    tell(++done)
    await rest()
  }
}

/** Engines clear their memory when the program is at rest. */
function rest(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** `split: train[10:20]`: how many records there are is known after they have been counted. */
async function tokenizePart(
  { path, options }: EntryToLoad,
  files: readonly string[],
  tokenize: ReturnType<typeof recordTokenizer>,
  keep: (example: TokenizedExample) => void,
): Promise<void> {
  let count = 0
  for (const file of files) for await (const _record of readRecords(file, options)) count++
  const { start, end } = atKey([...path, 'split'], () => recordSlice(options.split, count))
  let at = 0
  for (const file of files)
    for await (const record of readRecords(file, options)) {
      if (at >= start && at < end) keep(tokenize(record))
      at++
    }
}
