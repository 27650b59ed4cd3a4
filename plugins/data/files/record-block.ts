/**
 * A part of a data file that can be read alone: some bytes of JSON Lines, a row group of Parquet, a batch of Arrow, or a whole file.
 * Blocks are what is read ahead, shuffled, handed to workers and gone back to when a run resumes.
 */
import type { DatasetOptions } from '../options/dataset-options.ts'
import type { FileFormat } from '../options/dataset-words.ts'
import type { DataRecord } from '../types/dataset-type.ts'

export interface RecordBlock {
  readonly file: string
  readonly format: FileFormat
  /** What `[start, end)` counts is known to the reader of the format: bytes, rows or batches. */
  readonly start: number
  readonly end: number
  /** Line of the first record: a line of a text, or its number among the records; from 1. */
  readonly line: number
}

/** What of an entry says how its files are read. */
export type ReadOptions = Pick<DatasetOptions, 'ds_type' | 'sample_by' | 'field'>

/** Reads one format. */
export interface RecordReader {
  /** In the order of the file. Throws E_DATA or E_FILE. */
  blocks(file: string, options: ReadOptions): Promise<RecordBlock[]>
  /** The records of a block, some at a time. Throws E_DATA with `file:line`. */
  read(block: RecordBlock, options: ReadOptions): AsyncGenerator<readonly DataRecord[]>
}

/** Records that are held at once where a format does not say. */
export const BATCH = 1024

/** Records in batches. */
export function* inBatches(records: Iterable<DataRecord>): Generator<DataRecord[]> {
  let batch: DataRecord[] = []
  for (const record of records) {
    batch.push(record)
    if (batch.length < BATCH) continue
    yield batch
    batch = []
  }
  if (batch.length > 0) yield batch
}
