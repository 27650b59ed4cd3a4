/**
 * Parquet (https://parquet.apache.org/docs/file-format/) by hyparquet: row group after row group, so that memory is that of one, or of
 * a part of one where they are large. The packages are imported when such a file is read.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { TrituneError } from '../../../core/errors.ts'
import { fileError } from '../../../core/files/files.ts'
import type { DataRecord } from '../types/dataset-type.ts'
import { lz4Hadoop, lz4Raw } from './lz4.ts'
import { plainValue } from './plain-value.ts'
import type { RecordBlock, RecordReader } from './record-block.ts'

/** Uncompressed bytes that are decoded at once, as far as a file can be cut. */
const AT_ONCE = 16 * 2 ** 20

type Parquet = Pick<typeof import('hyparquet'), 'parquetMetadataAsync' | 'parquetReadObjects'>

interface OpenFile extends Disposable {
  readonly byteLength: number
  slice(start: number, end?: number): ArrayBuffer
}

export const parquetReader: RecordReader = {
  async blocks(path) {
    using file = openFile(path)
    const { parquetMetadataAsync } = await import('hyparquet')
    const { row_groups: groups } = await decoding(path, () => parquetMetadataAsync(file))
    let row = 0
    return groups.flatMap(({ num_rows, total_byte_size }): RecordBlock[] => {
      const rows = Number(num_rows)
      const parts = Math.max(1, Math.min(rows, Math.ceil(Number(total_byte_size) / AT_ONCE)))
      const first = row
      row += rows
      return Array.from({ length: parts }, (_, i) => ({
        start: first + Math.floor((i * rows) / parts),
        end: first + Math.floor(((i + 1) * rows) / parts),
      })).map(({ start, end }) => ({ file: path, format: 'parquet', start, end, line: start + 1 }))
    })
  },
  async *read({ file: path, start, end }) {
    using file = openFile(path)
    const parquet = await import('hyparquet')
    const { compressors } = await import('hyparquet-compressors')
    const own = { ...compressors, LZ4: lz4Hadoop, LZ4_RAW: lz4Raw }
    const rows = await decoding(path, () => readRows(parquet, file, start, end, own))
    yield rows.map((row, i): DataRecord => ({
      value: plainRow(row),
      source: { file: path, line: start + i + 1 },
    }))
  },
}

// ---- helpers ----------------------------------------------------------------------------------------------------

async function readRows(
  { parquetMetadataAsync, parquetReadObjects }: Parquet,
  file: OpenFile,
  rowStart: number,
  rowEnd: number,
  compressors: (typeof import('hyparquet-compressors'))['compressors'],
): Promise<Record<string, unknown>[]> {
  const metadata = await parquetMetadataAsync(file)
  const rows = await parquetReadObjects({
    file,
    metadata,
    rowStart,
    rowEnd,
    compressors,
    useOffsetIndex: true,
    parsers: { stringFromBytes: textOrBytes },
  })
  if (rows.length !== rowEnd - rowStart) throw new Error(`${rows.length} of ${rowEnd - rowStart} rows came`)
  return rows
}

/** What is not UTF-8 stays bytes: an error of the record where a text is asked for, and else of no account. */
function textOrBytes(bytes: Uint8Array | undefined): unknown {
  try {
    return bytes && UTF8.decode(bytes)
  } catch {
    return bytes
  }
}

const UTF8 = new TextDecoder('utf-8', { fatal: true })

function plainRow(row: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const plain: Record<string, unknown> = {}
  for (const key in row) plain[key] = typeof row[key] === 'string' ? row[key] : plainValue(row[key])
  return plain
}

async function decoding<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    if (cause instanceof TrituneError) throw cause
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new TrituneError('E_DATA', `this Parquet file cannot be read: ${reason}`, {
      place: path,
      remedy: 'it may have been cut short: fetch or write it again',
      cause,
    })
  }
}

function openFile(path: string): OpenFile {
  const file = attempt(path, () => openSync(path, 'r'))
  const byteLength = attempt(path, () => fstatSync(file).size)
  return {
    byteLength,
    slice(start, end = byteLength) {
      const bytes = new Uint8Array(Math.max(0, Math.min(end, byteLength) - start))
      for (let done = 0; done < bytes.length;) {
        const got = attempt(path, () => readSync(file, bytes, done, bytes.length - done, start + done))
        if (got === 0) throw new Error('it ends in the middle of its data')
        done += got
      }
      return bytes.buffer
    },
    [Symbol.dispose]: () => closeSync(file),
  }
}

function attempt<T>(path: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw fileError(error, path, 'cannot read')
  }
}
