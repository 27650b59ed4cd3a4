/**
 * Arrow IPC (https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc), files and streams
 * (what `save_to_disk` of Hugging Face's datasets writes), by apache-arrow: batch after batch.
 */
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
      const reason = cause instanceof Error ? cause.message : String(cause)
      throw new TrituneError('E_DATA', `this Arrow file cannot be read after record ${line}: ${reason}`, {
        place: path,
        remedy: 'it may have been cut short, or its batches are compressed: write it again, uncompressed',
        cause,
      })
    } finally {
      await handle.close().catch(() => {})
    }
  },
}
