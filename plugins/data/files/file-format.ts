/**
 * How a data file is read: by `ds_type` where it is set, else by the ending of its name, else by the bytes that it begins with.
 * A file whose first bytes say that it is something else is refused, and so is a pointer of Git LFS in place of a file.
 */
import { closeSync, openSync, readSync } from 'node:fs'
import { extname } from 'node:path'
import { TrituneError } from '../../../core/errors.ts'
import { fileError } from '../../../core/files/files.ts'
import type { FileFormat } from '../options/dataset-words.ts'

const ENDINGS: Readonly<Record<string, FileFormat>> = {
  '.jsonl': 'json',
  '.ndjson': 'json',
  '.json': 'json',
  '.txt': 'text',
  '.text': 'text',
  '.md': 'text',
  '.parquet': 'parquet',
  '.csv': 'csv',
  '.tsv': 'csv',
  '.arrow': 'arrow',
}

interface Packing {
  /** What its files begin with, as Latin-1. */
  readonly start: string
  /** Puts what it holds beside it; it needs the ending. */
  readonly beside: string
  /** Writes what it holds to stdout, whatever its name is. */
  readonly out: string
}

/** Packed files by their endings, and what unpacks them. */
const PACKED: Readonly<Record<string, Packing>> = {
  '.gz': { start: '\x1f\x8b', beside: 'gunzip -k', out: 'gzip -dc' },
  '.zst': { start: '\x28\xb5\x2f\xfd', beside: 'zstd -d', out: 'zstd -dc' },
  '.xz': { start: '\xfd7zXZ\0', beside: 'xz -dk', out: 'xz -dc' },
  '.bz2': { start: 'BZh', beside: 'bunzip2 -k', out: 'bzip2 -dc' },
  '.zip': { start: 'PK\x03\x04', beside: 'unzip', out: 'unzip -p' },
}

/** File name endings that can be read. */
export const READABLE: readonly string[] = Object.keys(ENDINGS)

/** The format that the name tells; undefined when it tells none. */
export function formatOfName(path: string): FileFormat | undefined {
  return ENDINGS[extname(path).toLowerCase()]
}

/** Throws E_DATA when neither the name nor the content tells, or when they say different things; E_FILE when it cannot be read. */
export function formatOf(path: string, dsType: FileFormat | null): FileFormat {
  const said = dsType ?? formatOfName(path)
  const found = formatOfContent(path)
  if (found === 'lfs') {
    throw new TrituneError('E_DATA', 'this is a pointer of Git LFS, not the data', {
      place: path,
      remedy: 'fetch the file itself: git lfs pull',
    })
  }
  expectUnpacked(path, said)
  if (said === undefined && found === undefined) {
    throw new TrituneError('E_DATA', `cannot tell how to read a "${extname(path)}" file`, {
      place: path,
      remedy: `use one of ${READABLE.join(', ')}, or set ds_type`,
    })
  }
  if (said !== undefined && found !== undefined && said !== found) {
    throw new TrituneError(
      'E_DATA',
      `it is to be read as ${said}, but its first bytes are those of ${found}`,
      {
        place: path,
        remedy: `set ds_type: ${found}`,
      },
    )
  }
  return said ?? found ?? 'json'
}

/** So many of its first bytes, or fewer. E_FILE when it cannot be read. */
export function firstBytes(path: string, count: number): Uint8Array {
  try {
    const file = openSync(path, 'r')
    try {
      const bytes = new Uint8Array(count)
      return bytes.subarray(0, readSync(file, bytes, 0, count, 0))
    } finally {
      closeSync(file)
    }
  } catch (error) {
    throw fileError(error, path, 'cannot read')
  }
}

/** The ending of a packed file by its name; undefined: it is not packed. */
export function packedEnding(path: string): string | undefined {
  const ending = extname(path).toLowerCase()
  return Object.hasOwn(PACKED, ending) ? ending : undefined
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** By the name where nothing else tells, and by the first bytes of what is to be text. */
function expectUnpacked(path: string, said: FileFormat | undefined): void {
  const named = packedEnding(path)
  const start = Buffer.from(firstBytes(path, 6)).toString('latin1')
  const found = Object.entries(PACKED).find(([, packing]) => start.startsWith(packing.start))
  const isText = said === 'json' || said === 'text' || said === 'csv'
  const ending = said === undefined ? (named ?? found?.[0]) : isText ? found?.[0] : undefined
  if (ending === undefined) return
  const { beside, out } = PACKED[ending]
  const name = path.slice(0, -ending.length)
  throw new TrituneError('E_DATA', `this file is packed (${ending})`, {
    place: path,
    remedy:
      named === ending && ending !== '.zip'
        ? `unpack it and name what comes out: ${beside} ${path}, then ${name}`
        : `unpack it and name what comes out: ${out} ${path} > another name`,
  })
}

const LFS = 'version https://git-lfs'

function formatOfContent(path: string): 'parquet' | 'arrow' | 'lfs' | undefined {
  const start = firstBytes(path, LFS.length)
  const text = Buffer.from(start).toString('latin1')
  if (text.startsWith('PAR1') || text.startsWith('PARE')) return 'parquet'
  // A file, or a stream: its first message begins with the continuation mark.
  if (text.startsWith('ARROW1') || text.startsWith('\xff\xff\xff\xff')) return 'arrow'
  return text === LFS ? 'lfs' : undefined
}
