/**
 * CSV with a header line (RFC 4180) by csv-parse, streamed; `.tsv` is the same with tabs. Every value is a text, as it stands: an empty
 * cell is an empty text. Rows of another length than the header, and bytes that are not UTF-8, are an error with their line; UTF-16 is
 * known by its byte order mark.
 */
import { createReadStream } from 'node:fs'
import { extname } from 'node:path'
import { TrituneError } from '../../../core/errors.ts'
import { fileError } from '../../../core/files/files.ts'
import { optionalPackage } from '../../../core/optional-package.ts'
import { type DataRecord, recordError } from '../types/dataset-type.ts'
import { firstBytes } from './file-format.ts'
import { readLines } from './read-lines.ts'
import { BATCH, type RecordReader } from './record-block.ts'

export const csvReader: RecordReader = {
  blocks: (file) => Promise.resolve([{ file, format: 'csv', start: 0, end: 1, line: 1 }]),
  async *read({ file }) {
    const wanted = { name: 'csv-parse', code: 'E_DATA', what: 'which reads CSV', place: file } as const
    const { parse } = await optionalPackage(wanted, () => import('csv-parse'))
    const delimiter = extname(file).toLowerCase() === '.tsv' ? '\t' : ','
    const parser = parse({
      bom: true,
      columns: (names: string[]) => checkedNames(names, file),
      delimiter,
      info: true,
      record_delimiter: ['\r\n', '\n', '\r'],
      skip_empty_lines: true,
    })
    const input = createReadStream(file, { highWaterMark: 1 << 18 })
    input.once('error', (error) => parser.destroy(fileError(error, file, 'cannot read')))
    input.pipe(parser)
    let batch: DataRecord[] = []
    let line = 1
    let isKnown = isUtf16(file)
    try {
      for await (const { record, info } of parser as AsyncIterable<CsvRow>) {
        if (!isKnown && hasReplacement(record)) {
          expectUtf8(file)
          isKnown = true
        }
        batch.push({ value: record, source: { file, line: info.lines - breaksIn(record) } })
        line = info.lines
        if (batch.length < BATCH) continue
        yield batch
        batch = []
      }
    } catch (error) {
      throw csvError(error, file, line + 1)
    } finally {
      input.destroy()
      parser.destroy()
    }
    if (batch.length > 0) yield batch
  },
}

// ---- helpers ----------------------------------------------------------------------------------------------------

interface CsvRow {
  readonly record: Readonly<Record<string, string>>
  readonly info: { readonly lines: number }
}

/** Lines that the values of a row take beyond its first. */
function breaksIn(record: CsvRow['record']): number {
  let count = 0
  for (const value of Object.values(record))
    if (/[\r\n]/.test(value)) count += value.split(/\r\n|\r|\n/).length - 1
  return count
}

/** What the parser puts where bytes are no text; a file may also have it as it stands. */
function hasReplacement(record: CsvRow['record']): boolean {
  return Object.entries(record).some(([name, value]) => value.includes('\uFFFD') || name.includes('\uFFFD'))
}

/** Throws E_DATA with the line. */
function expectUtf8(file: string): void {
  const lines = readLines(file)
  while (!lines.next().done);
}

function isUtf16(file: string): boolean {
  const start = firstBytes(file, 2)
  return start[0] === 0xff && start[1] === 0xfe
}

function checkedNames(names: readonly string[], file: string): string[] {
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice === undefined) return [...names]
  throw recordError(
    { file, line: 1 },
    `the header names "${twice}" twice`,
    'give each column a name of its own',
  )
}

function csvError(error: unknown, file: string, line: number): unknown {
  if (error instanceof TrituneError || !(error instanceof Error)) return error
  const at = Reflect.get(error, 'lines')
  const source = { file, line: typeof at === 'number' && at > 0 ? at : line }
  if (Reflect.get(error, 'code') === 'CSV_RECORD_INCONSISTENT_COLUMNS') {
    const [columns, record] = [Reflect.get(error, 'columns'), Reflect.get(error, 'record')]
    const [wanted, got] = [
      Array.isArray(columns) ? columns.length : '?',
      Array.isArray(record) ? record.length : '?',
    ]
    return recordError(
      source,
      `the row has ${got} values, and the header has ${wanted} names`,
      'correct the row; a value with a comma or a line break in it stands between " and "',
    )
  }
  return recordError(
    source,
    `not valid CSV: ${error.message.replaceAll('\n', '\\n')}`,
    'correct the row; a " inside a value is written twice',
  )
}
