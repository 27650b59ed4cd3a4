/** Parquet, Arrow and CSV as data files (tests/oracle/data_files.py), and what is wrong with broken ones. */
import { afterAll, describe, expect, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { join } from 'node:path'
import { readRecords } from '../../../plugins/data/mod.ts'
import { lz4Hadoop, lz4Raw } from '../../../plugins/data/files/lz4.ts'
import { temporaryFolder } from '../../_golden.ts'
import { textField } from '../../../plugins/data/types/dataset-type.ts'
import { errorOf, failureOf, options } from './_options.ts'

const GOLDEN_FILES = fileURLToPath(new URL('../../golden/data/files/', import.meta.url))
const PACKED_FILES = fileURLToPath(new URL('../../golden/data/packed/', import.meta.url))
const temporary = temporaryFolder()
afterAll(() => temporary[Symbol.dispose]())

function file(name: string, content: string | Uint8Array): string {
  const path = join(temporary.path, name)
  writeFileSync(path, content)
  return path
}

async function read(path: string, given: object = {}): Promise<[unknown, number][]> {
  const records = await Array.fromAsync(readRecords(path, options(given)))
  return records.map(({ value, source }) => [value, source.line])
}

const rows: readonly unknown[] = JSON.parse(readFileSync(join(GOLDEN_FILES, 'rows.json'), 'utf8'))
const numbered = rows.map((row, i): [unknown, number] => [row, i + 1])

const COLUMNAR = [
  'none.parquet',
  'snappy.parquet',
  'gzip.parquet',
  'zstd.parquet',
  'brotli.parquet',
  'lz4.parquet',
  'file.arrow',
  'stream.arrow',
]

describe('columnar files', () => {
  test.each(COLUMNAR)('%s holds the records that pyarrow wrote', async (name) => {
    expect(await read(join(GOLDEN_FILES, name))).toEqual(numbered)
  })

  test.each(COLUMNAR)('%s is known by its first bytes, and not taken for something else', async (name) => {
    const bytes = readFileSync(join(GOLDEN_FILES, name))
    expect(await read(file('nameless', bytes))).toEqual(numbered)
    const wrong = await failureOf(() => read(file('a.jsonl', bytes)))
    const format = name.endsWith('arrow') ? 'arrow' : 'parquet'
    expect(wrong.message).toContain(`its first bytes are those of ${format}\n  → set ds_type: ${format}`)
  })

  test.each(['snappy.parquet', 'file.arrow', 'stream.arrow'])('%s cut short is one error', async (name) => {
    const bytes = readFileSync(join(GOLDEN_FILES, name))
    for (const share of [0.2, 0.6, 0.9]) {
      const path = file(`cut-${name}`, bytes.subarray(0, Math.floor(bytes.length * share)))
      const error = await failureOf(() => read(path))
      expect(error.code).toBe('E_DATA')
      expect(error.message).toStartWith(
        `${path}: this ${name.endsWith('arrow') ? 'Arrow' : 'Parquet'} file cannot be read`,
      )
      expect(error.remedy).toContain('cut short')
      // Nothing of the inside of a library.
      expect(error.message).not.toMatch(/Expected to read|schema\.|"position"/)
    }
  })

  test('a damaged page is one error', async () => {
    const bytes = Uint8Array.from(readFileSync(join(GOLDEN_FILES, 'gzip.parquet')))
    bytes.fill(0x55, 40, 90)
    expect((await failureOf(() => read(file('damaged.parquet', bytes)))).code).toBe('E_DATA')
  })

  test('texts that are not UTF-8 are bytes, which no text is made of', async () => {
    const bytes = readFileSync(join(GOLDEN_FILES, 'none.parquet'))
    const at = bytes.indexOf('line\n1')
    expect(at).toBeGreaterThan(0)
    bytes[at] = 0xff
    const path = file('latin.parquet', bytes)
    const records = await Array.fromAsync(readRecords(path, options({})))
    const { value, source } = records[1]
    expect(value['text']).toEqual(Buffer.from([0xff, ...Buffer.from('ine\n1')]))
    expect(errorOf(() => textField({ value, source }, 'text')).message).toBe(
      `${path}:2: expected "text" to be a text, got 6 bytes`,
    )
    // The others are what they were.
    expect(records.filter((_, i) => i !== 1).map((one) => one.value)).toEqual(
      rows.filter((_, i) => i !== 1).map((row) => Object(row)),
    )
  })

  test('a packed file says how to unpack it', async () => {
    const path = file('data.jsonl.gz', Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0))
    const { message } = await failureOf(() => read(path))
    expect(message).toContain(`gunzip -k ${path}, then ${path.slice(0, -3)}`)
    expect((await failureOf(() => read(path, { ds_type: 'json' }))).message).toContain(`gunzip -k ${path}`)
    const unnamed = file('packed.jsonl', Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0, 0))
    const zstd = await failureOf(() => read(unnamed))
    expect(zstd.message).toContain(`${unnamed}: this file is packed (.zst)`)
    expect(zstd.remedy).toContain(`zstd -dc ${unnamed}`)
  })

  test.each(['zstd', 'lz4'])(
    'an Arrow file with batches packed by %s says how to write it',
    async (codec) => {
      const error = await failureOf(() => read(join(PACKED_FILES, `${codec}.arrow`)))
      expect(error.message).toContain('its batches are compressed')
      expect(error.remedy).toContain('write it again uncompressed')
    },
  )

  test('blocks of LZ4 stand alone, or behind the lengths of Hadoop, and damaged ones are told', () => {
    const { blocks }: { blocks: readonly { readonly text: string; readonly packed: string }[] } = JSON.parse(
      readFileSync(join(PACKED_FILES, 'lz4-blocks.json'), 'utf8'),
    )
    const parts = blocks.map(({ text, packed }) => ({
      plain: Buffer.from(text),
      packed: Buffer.from(packed, 'base64'),
    }))
    for (const { plain, packed } of parts) {
      expect(Buffer.from(lz4Raw(packed, plain.length))).toEqual(plain)
      // What has no lengths in front of it is a block alone.
      expect(Buffer.from(lz4Hadoop(packed, plain.length))).toEqual(plain)
    }
    const framed = Buffer.concat(
      parts.flatMap(({ plain, packed }) => {
        const lengths = Buffer.alloc(8)
        lengths.writeUInt32BE(plain.length, 0)
        lengths.writeUInt32BE(packed.length, 4)
        return [lengths, packed]
      }),
    )
    const whole = Buffer.concat(parts.map(({ plain }) => plain))
    expect(Buffer.from(lz4Hadoop(framed, whole.length))).toEqual(whole)
    const { plain, packed } = parts[parts.length - 1]
    expect(() => lz4Raw(packed.subarray(0, packed.length - 3), plain.length)).toThrow('LZ4 is damaged')
    expect(() => lz4Raw(packed, plain.length - 1)).toThrow('LZ4 is damaged')
    expect(() => lz4Raw(packed, plain.length + 1)).toThrow('LZ4 is damaged')
  })

  test('a pointer of Git LFS says so', async () => {
    const path = file('lfs.parquet', 'version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 9\n')
    expect((await failureOf(() => read(path))).message).toContain('a pointer of Git LFS')
  })
})

describe('CSV', () => {
  test('has a byte order mark, CRLF, quotes, line breaks in values and blank lines', async () => {
    const path = file('a.csv', '\uFEFFinstruction,output\r\na,"b ""c"""\r\n\r\n"d\ne",\n f ,ü\r\n')
    expect(await read(path)).toEqual([
      [{ instruction: 'a', output: 'b "c"' }, 2],
      [{ instruction: 'd\ne', output: '' }, 4],
      [{ instruction: ' f ', output: 'ü' }, 6],
    ])
  })

  test('with tabs is read by its name', async () => {
    expect(await read(file('a.tsv', 'a\tb\n1\t2,3\n'))).toEqual([[{ a: '1', b: '2,3' }, 2]])
  })

  test.each([
    ['a,b\n1,2\n3\n', ':3: the row has 1 values, and the header has 2 names'],
    ['a,b\n1,2\n3,4,5\n', ':3: the row has 3 values, and the header has 2 names'],
    ['a,b\n1,"2\n3,4\n', ': not valid CSV: '],
    ['a,a\n1,2\n', ':1: the header names "a" twice'],
  ])('%j is one error with its line', async (content, message) => {
    const error = await failureOf(() => read(file('bad.csv', content)))
    expect([error.code, error.message]).toEqual(['E_DATA', expect.stringContaining(message)])
  })

  test('with bytes that are not UTF-8 is an error with its line; UTF-16 and a replacement character are read', async () => {
    const latin = file('latin.csv', Buffer.from('a\nok\ncaf\xe9\n', 'latin1'))
    expect((await failureOf(() => read(latin))).message).toBe(`${latin}:3: not valid UTF-8`)
    expect(await read(file('u16.csv', Buffer.from('\uFEFFa\né\uFFFD\n', 'utf16le')))).toEqual([
      [{ a: 'é\uFFFD' }, 2],
    ])
    expect(await read(file('sign.csv', 'a\n\uFFFD\n'))).toEqual([[{ a: '\uFFFD' }, 2]])
  })
})
