/**
 * Tokenised datasets on disk, keyed by content: the bytes of the files, the options of the dataset, the tokenizer and
 * the version of this format. A file is written under another name and renamed; a damaged one is noticed by its
 * checksum.
 *
 * Layout (little endian): `TTDATA01`, u32 length of a JSON header, the header padded with spaces to 4 bytes, then i32
 * lengths (n), i32 file numbers (n), i32 lines (n), i32 ids (tokens), i32 labels (tokens), and where the header has `extras` those of
 * packed-extras.ts (i32 documents, i32 untrained, f64 values); SHA-256 of everything before.
 */
import { createHash, randomBytes } from 'node:crypto'
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, readSync, rmSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { ConfigError } from '../../../core/contracts/config.ts'
import { TrituneError } from '../../../core/errors.ts'
import { rename } from '../../../core/files/rename.ts'
import type { DatasetOptions } from '../options/dataset-options.ts'
import type { TokenizedExample } from '../types/dataset-type.ts'
import { lengthOf, maskOf, StoredExample } from '../types/stored-example.ts'
import type { DatasetRecipe, ExampleKind, TokenizerLike } from '../../../core/contracts/dataset.ts'
import { packExtras, type PackedExtras, withExtras } from './packed-extras.ts'

/** Counts up whenever the same input would give other tokens or labels. */
const VERSION = 3
const MAGIC = 'TTDATA01'
const DIGEST = 32

export interface CachedDataset {
  readonly examples: readonly TokenizedExample[]
  /** Notes that came up while tokenising. */
  readonly notes: readonly string[]
}

export interface CacheKeyOptions {
  readonly files: readonly string[]
  readonly options: DatasetOptions
  readonly trainOnInputs: boolean
  readonly eotTokens: readonly string[] | null
  readonly tokenizer: TokenizerLike
  /** What the examples have to be; not given: documents. */
  readonly kind?: ExampleKind | undefined
  /** Of a type that is not built in. */
  readonly recipe?: DatasetRecipe | undefined
}

/** What the tokens depend on, as 64 hex digits. Where the files lie, and how often their examples come, is not part of it. */
export function cacheKey({
  files,
  options,
  trainOnInputs,
  eotTokens,
  tokenizer,
  kind,
  recipe,
}: CacheKeyOptions): string {
  const {
    path: _path,
    data_files: _files,
    name: _name,
    revision: _revision,
    weight: _weight,
    ...rest
  } = options
  const hash = createHash('sha256')
  // The special tokens may be set by the configuration, beside what the tokenizer itself says.
  const { id, bosId, eosId } = tokenizer
  hash.update(JSON.stringify([VERSION, id, bosId, eosId, trainOnInputs, eotTokens, sortedEntries(rest)]))
  if (recipe) hash.update(JSON.stringify([kind ?? 'document', recipe.name, recipe.version]))
  for (const file of files) hash.update(hashFile(file))
  return hash.digest('hex')
}

export function cachePath(folder: string, key: string): string {
  return join(folder, `${key}.bin`)
}

/** Throws E_DISK when the folder cannot be written. */
export function writeCache(
  path: string,
  key: string,
  files: readonly string[],
  { examples, notes }: CachedDataset,
): void {
  const number = new Map(files.map((file, index) => [file, index]))
  const packed = packExtras(examples)
  const header = padded(JSON.stringify({ key, count: examples.length, notes, extras: headerOf(packed) }))
  const start = new Uint8Array(MAGIC.length + 4)
  start.set(new TextEncoder().encode(MAGIC))
  new DataView(start.buffer).setUint32(MAGIC.length, header.length, true)
  const parts: Uint8Array[] = [
    start,
    header,
    bytesOf(Int32Array.from(examples, lengthOf)),
    bytesOf(Int32Array.from(examples, ({ source }) => number.get(source.file) ?? 0)),
    bytesOf(Int32Array.from(examples, ({ source }) => source.line)),
    ...examples.map(({ ids }) => bytesOf(ids)),
    ...examples.map(({ labels }) => bytesOf(labels)),
    ...(packed ? [packed.documents, packed.untrained, packed.values].map(bytesOf) : []),
  ]
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  parts.push(hash.digest())
  writeAtomically(path, parts)
}

/** The cached examples; undefined when there is no file, `'damaged'` when it cannot be used. */
export function readCache(
  path: string,
  key: string,
  files: readonly string[],
): CachedDataset | 'damaged' | undefined {
  const bytes = readIfThere(path)
  if (bytes === undefined) return undefined
  const end = bytes.length - DIGEST
  if (end < MAGIC.length + 4 || new TextDecoder().decode(bytes.subarray(0, MAGIC.length)) !== MAGIC)
    return 'damaged'
  const digest = createHash('sha256').update(bytes.subarray(0, end)).digest()
  if (!digest.equals(bytes.subarray(end))) return 'damaged'
  // The checksum holds, so what follows is as it was written.
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const headerStart = MAGIC.length + 4
  const headerEnd = headerStart + view.getUint32(MAGIC.length, true)
  const header: unknown = JSON.parse(new TextDecoder().decode(bytes.subarray(headerStart, headerEnd)))
  if (!isHeader(header) || header.key !== key) return 'damaged'
  // A copy is aligned; the bytes of a file need not be. (`Buffer.slice` would not copy.)
  const numbers = new Int32Array(Uint8Array.prototype.slice.call(bytes, headerEnd, end).buffer)
  return { examples: unpack(numbers, header, files), notes: header.notes }
}

interface Header {
  readonly key: string
  readonly count: number
  readonly notes: readonly string[]
  /** null, or not there: no example has any. */
  readonly extras?: ExtrasHeader | null
}

interface ExtrasHeader extends Pick<PackedExtras, 'names' | 'reasons'> {
  /** Numbers of the list of documents. */
  readonly documents: number
}

function headerOf(packed: PackedExtras | null): ExtrasHeader | null {
  return packed && { names: packed.names, reasons: packed.reasons, documents: packed.documents.length }
}

/** Files are known by number: the same content may lie elsewhere by now, and the names of today are the ones to show. */
function unpack(
  numbers: Int32Array<ArrayBuffer>,
  { count, extras = null }: Header,
  files: readonly string[],
): readonly TokenizedExample[] {
  const lengths = numbers.subarray(0, count)
  const total = lengths.reduce((sum, length) => sum + length, 0)
  const tokens = numbers.slice(3 * count, 3 * count + total)
  const area = { read: (start: number, length: number): Int32Array => tokens.subarray(start, start + length) }
  let offset = 0
  const examples = Array.from(lengths, (length, i) => {
    const start = offset
    offset += length
    const labels = numbers.subarray(3 * count + total + start, 3 * count + total + offset)
    const source = { file: files[numbers[count + i]], line: numbers[2 * count + i] }
    return new StoredExample(area, start, length, maskOf({ ids: area.read(start, length), labels }), source)
  })
  return withExtras(examples, extras && readExtras(numbers.subarray(3 * count + 2 * total), count, extras))
}

function readExtras(
  numbers: Int32Array<ArrayBuffer>,
  count: number,
  { names, reasons, documents }: ExtrasHeader,
): PackedExtras {
  const end = documents + count
  return {
    documents: numbers.slice(0, documents),
    untrained: numbers.slice(documents, end),
    reasons,
    // A copy is aligned.
    values: new Float64Array(numbers.slice(end, end + 2 * count * names.length).buffer),
    names,
  }
}

function isHeader(value: unknown): value is Header {
  return typeof value === 'object' && value !== null && Array.isArray(Reflect.get(value, 'notes'))
}

function sortedEntries(options: object): [string, unknown][] {
  return Object.entries(options).toSorted(([a], [b]) => (a < b ? -1 : 1))
}

function padded(text: string): Uint8Array {
  const bytes = new TextEncoder().encode(text)
  const result = new Uint8Array(Math.ceil(bytes.length / 4) * 4).fill(32)
  result.set(bytes)
  return result
}

function bytesOf(numbers: Int32Array | Float64Array): Uint8Array {
  return new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength)
}

function writeAtomically(path: string, parts: readonly Uint8Array[]): void {
  const temporary = `${path}.${randomBytes(4).toString('hex')}.tmp`
  try {
    mkdirSync(dirname(path), { recursive: true })
    const file = openSync(temporary, 'wx')
    try {
      for (const part of parts) writeAll(file, part)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    rename(temporary, path)
  } catch (cause) {
    rmSync(temporary, { force: true })
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new ConfigError([
      {
        path: ['dataset_prepared_path'],
        code: 'E_DISK',
        what: `the tokenised dataset ${path} cannot be written: ${reason}`,
        remedy: 'set dataset_prepared_path to a folder that can be written, or leave it out',
      },
    ])
  }
}

function writeAll(file: number, bytes: Uint8Array): void {
  let written = 0
  while (written < bytes.length) written += writeSync(file, bytes, written)
}

function readIfThere(path: string): Buffer | undefined {
  try {
    return readFileSync(path)
  } catch (cause) {
    if (cause instanceof Error && Reflect.get(cause, 'code') === 'ENOENT') return undefined
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new ConfigError([
      {
        path: ['dataset_prepared_path'],
        code: 'E_FILE',
        what: `the tokenised dataset ${path} cannot be read: ${reason}`,
        remedy: 'set dataset_prepared_path to a folder that can be read and written, or leave it out',
      },
    ])
  }
}

/** In pieces: a dataset may be larger than memory. */
function hashFile(path: string): Uint8Array {
  try {
    const file = openSync(path, 'r')
    try {
      const hash = createHash('sha256')
      const chunk = new Uint8Array(1 << 20)
      for (let size = readSync(file, chunk); size > 0; size = readSync(file, chunk)) {
        hash.update(chunk.subarray(0, size))
      }
      return hash.digest()
    } finally {
      closeSync(file)
    }
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new TrituneError('E_FILE', `cannot be read: ${reason}`, { place: path, cause })
  }
}
