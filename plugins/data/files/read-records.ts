/**
 * The records of a file: JSON Lines, a JSON array, plain text as `{ text }`, and the formats of the readers beside this one.
 *
 * Text follows Hugging Face's text loader, which is what axolotl reads `.txt` with: one record per line, or per
 * paragraph (separated by blank lines), or per file, as `sample_by` says; empty ones are left out.
 */
import { readFileSync } from 'node:fs'
import { showValue } from '../../../core/contracts/config.ts'
import { TrituneError } from '../../../core/errors.ts'
import type { DatasetOptions } from '../options/dataset-options.ts'
import type { FileFormat } from '../options/dataset-words.ts'
import type { DataRecord, RecordSource } from '../types/dataset-type.ts'
import { recordError } from '../types/dataset-type.ts'
import { jsonElements } from './json-elements.ts'
import { formatOf } from './file-format.ts'
import { lineRanges, readLines } from './read-lines.ts'
import { parquetReader } from './read-parquet.ts'
import { csvReader } from './read-csv.ts'
import { arrowReader } from './read-arrow.ts'
import { inBatches, type ReadOptions, type RecordBlock, type RecordReader } from './record-block.ts'

/**
 * Throws E_FILE, or E_DATA with `file:line`.
 *
 * @example
 * ```ts
 * import { readRecords } from 'tritune/plugins/data'
 *
 * for await (const { value, source } of readRecords('my-data.jsonl', { ds_type: null, sample_by: 'line', field: 'text' })) {
 *   console.log(Object.keys(value).length > 0, source.line) // → true 1
 *   break
 * }
 * ```
 */
export async function* readRecords(path: string, options: ReadOptions): AsyncGenerator<DataRecord> {
  for (const block of await recordBlocks(path, options))
    for await (const records of readBlock(block, options)) yield* records
}

/** The parts of a file that can be read alone, in order. Throws E_FILE or E_DATA. */
export async function recordBlocks(path: string, options: ReadOptions): Promise<RecordBlock[]> {
  return await READERS[formatOf(path, options.ds_type)].blocks(path, options)
}

/** The records of a part, some at a time. */
export function readBlock(block: RecordBlock, options: ReadOptions): AsyncGenerator<readonly DataRecord[]> {
  return READERS[block.format].read(block, options)
}

/** Bytes of JSON Lines in a block. */
const BLOCK = 2 ** 19

const jsonReader: RecordReader = {
  blocks: (file) =>
    Promise.resolve().then(() =>
      startsWithList(file)
        ? [{ file, format: 'json', start: 0, end: 0, line: 1 }]
        : lineRanges(file, BLOCK).map((range) => ({ file, format: 'json', ...range })),
    ),
  async *read(block) {
    // A list is one block without an end: it is parsed as a whole.
    yield* inBatches(block.end === 0 ? readJsonArray(block.file) : readJsonLines(block))
  },
}

const textReader: RecordReader = {
  blocks: (file) => Promise.resolve([{ file, format: 'text', start: 0, end: 0, line: 1 }]),
  async *read({ file }, { sample_by, field }) {
    yield* inBatches(readText(file, sample_by, field))
  },
}

const READERS: { readonly [F in FileFormat]: RecordReader } = {
  json: jsonReader,
  text: textReader,
  parquet: parquetReader,
  csv: csvReader,
  arrow: arrowReader,
}

function* readJsonLines({ file: path, start, end, line }: RecordBlock): Generator<DataRecord> {
  for (const { number, text } of readLines(path, { start, end, line })) {
    if (text.trim() !== '') yield toRecord(text, { file: path, line: number })
  }
}

function* readJsonArray(path: string): Generator<DataRecord> {
  for (const { text, line } of jsonElements(readUtf8(path), path)) yield toRecord(text, { file: path, line })
}

function* readText(
  path: string,
  sampleBy: DatasetOptions['sample_by'],
  field: string,
): Generator<DataRecord> {
  let lines: string[] = []
  let first = 1
  const flush = (): DataRecord | undefined => {
    const text = lines.join('\n')
    const source = { file: path, line: first }
    lines = []
    return text.trim() === '' ? undefined : { value: { [field]: text }, source }
  }
  for (const { number, text } of readLines(path)) {
    if (lines.length === 0) first = number
    const isBlank = text.trim() === ''
    if (!(isBlank && sampleBy === 'paragraph')) lines.push(text)
    if (sampleBy === 'line' || (isBlank && sampleBy === 'paragraph')) {
      const record = flush()
      if (record) yield record
    }
  }
  const record = flush()
  if (record) yield record
}

function toRecord(text: string, source: RecordSource): DataRecord {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    // Not every engine can read what is nested without end.
    if (cause instanceof RangeError) throw tooDeep(source)
    const reason = cause instanceof Error ? cause.message.replace(/^JSON Parse error: /, '') : String(cause)
    const isPretty = text.trim() === '{' || text.trim() === '['
    throw recordError(
      source,
      `not valid JSON: ${reason}`,
      isPretty
        ? 'write each record on a line of its own, or all of them as one list'
        : 'correct the line or take it out',
    )
  }
  if (isDeeperThan(value, DEEPEST)) throw tooDeep(source)
  if (isMapping(value)) return { value, source, json: text }
  throw recordError(source, `expected a record such as {"text": "…"}, got ${showValue(value)}`)
}

/** Whoever walks over a record may do it by recursion. */
const DEEPEST = 256

function tooDeep(source: RecordSource): TrituneError {
  return recordError(
    source,
    `the record is nested more than ${DEEPEST} deep`,
    'correct the line or take it out',
  )
}

function isDeeperThan(value: unknown, depth: number): boolean {
  let level: unknown[] = [value]
  for (let left = depth; level.length > 0; left--) {
    if (left < 0) return true
    level = level.flatMap((item): unknown[] =>
      typeof item === 'object' && item !== null
        ? Object.values(item).filter((inner) => typeof inner === 'object')
        : [],
    )
  }
  return false
}

function readUtf8(path: string): string {
  const bytes = readFileSync(path)
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    // The lines say which one it is.
    for (const _ of readLines(path));
    throw new TrituneError('E_DATA', 'cannot be read as one text', { place: path, cause })
  }
}

/** `.json` files hold a list or, as often, JSON Lines. */
function startsWithList(path: string): boolean {
  for (const { text } of readLines(path)) {
    const start = text.trim()
    if (start !== '') return start.startsWith('[')
  }
  return false
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
