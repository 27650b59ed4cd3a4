/**
 * The records of the files of a task, as many as are wanted.
 */
import { TrituneError } from '../../../core/mod.ts'
import { type DataRecord, readRecords } from '../../data/mod.ts'

/** Throws E_FILE, E_DATA with `file:line`, and E_DATA where there are none. */
export async function readTaskRecords(files: readonly string[], limit: number): Promise<DataRecord[]> {
  const records: DataRecord[] = []
  for (const file of files)
    for await (const record of readRecords(file, { ds_type: null, sample_by: 'document', field: 'text' })) {
      if (records.length >= limit) return records
      records.push(record)
    }
  if (records.length > 0) return records
  throw new TrituneError('E_DATA', 'there is nothing to measure: no records', {
    place: files.join(', '),
    remedy: 'put records into it, one JSON object a line, such as {"question": "…", "answer": "…"}',
  })
}
