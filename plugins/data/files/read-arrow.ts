/**
 * Arrow IPC (https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc), files and streams
 * (what `save_to_disk` of Hugging Face's datasets writes), by apache-arrow: batch after batch.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { TrituneError } from '../../../core/errors.ts'
import { fileError } from '../../../core/files/files.ts'
import { optionalPackage } from '../../../core/optional-package.ts'
import type { DataRecord } from '../types/dataset-type.ts'
import { plainValue } from './plain-value.ts'
import { BATCH, type RecordReader } from './record-block.ts'

export const arrowReader: RecordReader = {
  blocks: (file) => Promise.resolve([{ file, format: 'arrow', start: 0, end: 1, line: 1 }]),
  async *read({ file: path }) {
    const wanted = { name: 'apache-arrow', code: 'E_DATA', what: 'which reads Arrow', place: path } as const
    const { RecordBatchReader } = await optionalPackage(wanted, () => import('apache-arrow'))
    const handle = await open(path, 'r').catch((error: unknown) => {
      throw fileError(error, path, 'cannot read')
    })
    let line = 0
    try {
      const reader = await RecordBatchReader.from(handle)
      for await (const batch of reader) {
        for (let start = 0; start < batch.numRows; start += BATCH) {
          const rows = batch.slice(start, Math.min(start + BATCH, batch.numRows)).toArray()
          yield rows.map((row: unknown): DataRecord => {
            line++
            return { value: Object(plainValue(row)), source: { file: path, line } }
          })
        }
      }
    } catch (cause) {
      if (cause instanceof TrituneError) throw cause
      const { reason, remedy } = faultOf(path, cause)
      throw new TrituneError('E_DATA', `this Arrow file cannot be read after record ${line}: ${reason}`, {
        place: path,
        remedy,
        cause,
      })
    } finally {
      await handle.close().catch(() => {})
    }
  },
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const MAGIC = 'ARROW1'
const CUT_SHORT = 'it was cut short: fetch or write it again'

/** In words of ours: the library's are of its own insides. */
function faultOf(path: string, cause: unknown): { readonly reason: string; readonly remedy: string } {
  const said = cause instanceof Error ? cause.message : String(cause)
  if (/compress/i.test(said))
    return {
      reason: 'its batches are compressed, which is not read',
      remedy: 'write it again uncompressed, or as Parquet',
    }
  if (isWithoutEnd(path)) return { reason: `the mark ${MAGIC} at its end is missing`, remedy: CUT_SHORT }
  const missing = /^Expected to read (\d+).*only read (\d+)/.exec(said)
  if (missing)
    return { reason: `its last message has ${missing[2]} of ${missing[1]} bytes`, remedy: CUT_SHORT }
  return { reason: 'its messages are damaged', remedy: 'it may have been cut short: fetch or write it again' }
}

/** Files end as they begin; streams have no mark. */
function isWithoutEnd(path: string): boolean {
  const { length } = MAGIC
  const file = openSync(path, 'r')
  try {
    const { size } = fstatSync(file)
    const at = (start: number): string => {
      const bytes = Buffer.alloc(length)
      return bytes.toString('latin1', 0, readSync(file, bytes, 0, length, start))
    }
    return at(0) === MAGIC && (size < 2 * length || at(size - length) !== MAGIC)
  } finally {
    closeSync(file)
  }
}
