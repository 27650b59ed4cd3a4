import { afterAll, describe, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { datasetFiles, type DataRecord, readRecords } from '../../../plugins/data/mod.ts'
import { readLines } from '../../../plugins/data/files/read-lines.ts'
import { splitFiles } from '../../../plugins/data/files/dataset-splits.ts'
import { recordSlice } from '../../../plugins/data/files/record-slice.ts'
import { goldenJson } from '../../_golden.ts'
import { errorOf, failureOf, options } from './_options.ts'

const folder = mkdtempSync(join(tmpdir(), 'tritune-read-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

async function read(path: string, given: object = {}): Promise<[unknown, number][]> {
  const records = await Array.fromAsync(readRecords(path, options(given)))
  return records.map(({ value, source }) => [value, source.line])
}

describe('readRecords()', () => {
  test('reads JSON Lines with BOM, CRLF, blank lines and no final newline', async () => {
    const path = file('a.jsonl', '\uFEFF{"a": 1}\r\n\r\n{"a": "ü\\n"}\r\n  \n{"a": 3}')
    expect(await read(path)).toEqual([
      [{ a: 1 }, 1],
      [{ a: 'ü\n' }, 3],
      [{ a: 3 }, 5],
    ])
  })

  test('names file and line of a broken record', async () => {
    const path = file('b.jsonl', '{"a": 1}\n{"a": }\n')
    expect((await failureOf(() => read(path))).message).toStartWith(`${path}:2: not valid JSON: `)
    expect((await failureOf(() => read(file('c.jsonl', '[1]\n3\n')))).message).toContain(
      ':1: expected a record',
    )
    expect((await failureOf(() => read(file('d.jsonl', '{\n  "a": 1\n}\n')))).remedy).toContain(
      'a line of its own',
    )
  })

  test('reads a JSON list and keeps the lines', async () => {
    const path = file('a.json', '\uFEFF[\n  {"a": "]},"},\n  {\n    "a": [1, {"b": "\\""}]\n  }\n]\n')
    expect(await read(path)).toEqual([
      [{ a: ']},' }, 2],
      [{ a: [1, { b: '"' }] }, 3],
    ])
    expect(await read(file('empty.json', '[ ]'))).toEqual([])
  })

  test('reads a .json file of JSON Lines', async () => {
    expect(await read(file('lines.json', '{"a": 1}\n{"a": 2}\n'))).toHaveLength(2)
  })

  test('names the line of what is wrong in a JSON list', async () => {
    const line = async (content: string): Promise<string | undefined> =>
      (await failureOf(() => read(file('x.json', content)))).place
    expect(await line('[\n{"a": 1},\n{"a": tru}\n]')).toEndWith('x.json:3')
    expect(await line('[\n{"a": 1}\n')).toEndWith('x.json:3')
    expect(await line('[\n{"a": 1},\n,{"a": 2}]')).toEndWith('x.json:3')
    expect(await line('[{"a": 1}]\nx')).toEndWith('x.json:2')
    expect(await line('[{"a": 1},\n3]')).toEndWith('x.json:2')
  })

  test('reads text per line, paragraph or document', async () => {
    const path = file('a.txt', 'one\ntwo\n\n\nthree\r\nfour\n')
    expect(await read(path)).toEqual([
      [{ text: 'one' }, 1],
      [{ text: 'two' }, 2],
      [{ text: 'three' }, 5],
      [{ text: 'four' }, 6],
    ])
    expect(await read(path, { sample_by: 'paragraph', field: 'body' })).toEqual([
      [{ body: 'one\ntwo' }, 1],
      [{ body: 'three\nfour' }, 5],
    ])
    expect(await read(path, { sample_by: 'document' })).toEqual([[{ text: 'one\ntwo\n\n\nthree\nfour' }, 1]])
    expect(await read(file('blank.txt', '\n \n'), { sample_by: 'document' })).toEqual([])
  })

  test('asks for ds_type when the name says nothing', async () => {
    const path = file('a.dat', '{"a": 1}\n')
    expect((await failureOf(() => read(path))).remedy).toContain('ds_type')
    expect(await read(path, { ds_type: 'json' })).toHaveLength(1)
  })

  test('refuses bytes that are not UTF-8', async () => {
    const path = file('latin1.jsonl', Uint8Array.of(0x7b, 0x7d, 10, 0x22, 0xe9, 0x22))
    expect((await failureOf(() => read(path))).message).toBe(`${path}:2: not valid UTF-8`)
  })
})

describe('odd records', () => {
  test('nested without end are refused with their line, in lines and in lists', async () => {
    for (const depth of [300, 5000, 500_000]) {
      const deep = `{"a": ${'['.repeat(depth)}${']'.repeat(depth)}}`
      expect((await failureOf(() => read(file('deep.jsonl', `{}\n${deep}\n`)))).message).toContain(
        'deep.jsonl:2: the record is nested more than 256 deep',
      )
      expect((await failureOf(() => read(file('deep.json', `[\n{},\n${deep}]`)))).message).toContain(
        'deep.json:3: ',
      )
    }
    expect(await read(file('flat.jsonl', `{"a": ${'['.repeat(200)}${']'.repeat(200)}}`))).toHaveLength(1)
  })

  test('keep keys that objects have, and the last of equal keys', async () => {
    const [[value]] = await read(
      file('keys.jsonl', '{"__proto__": {"x": 1}, "constructor": 2, "a": 1, "a": 3}\n'),
    )
    expect(Object.keys(Object(value))).toEqual(['__proto__', 'constructor', 'a'])
    expect(Reflect.get(Object(value), 'a')).toBe(3)
    expect(Reflect.get({}, 'x')).toBeUndefined()
  })

  test('that are no UTF-8 name the line, in lists too', async () => {
    const bytes = new TextEncoder().encode('[\n{"a": 1},\n{"a": "?"}]')
    bytes[bytes.lastIndexOf(63)] = 0xff
    expect((await failureOf(() => read(file('bad.json', bytes)))).message).toContain(
      'bad.json:3: not valid UTF-8',
    )
    const utf16 = Uint8Array.of(0xff, 0xfe, 0x7b, 0, 0x7d, 0)
    expect((await failureOf(() => read(file('utf16.jsonl', utf16)))).message).toContain(
      'utf16.jsonl:1: not valid UTF-8',
    )
  })

  test('may be one line of tens of megabytes', async () => {
    const text = 'word '.repeat(6_000_000)
    const [[value]] = await read(file('long.jsonl', JSON.stringify({ text })))
    expect(Reflect.get(Object(value), 'text') === text).toBe(true)
  })
})

test('`readLines()` joins lines that reach over a chunk', () => {
  const lines = ['a'.repeat((1 << 20) - 1), 'b'.repeat(3 << 20), 'ü'.repeat(1 << 19), 'end']
  const path = file('long.txt', lines.join('\n'))
  expect([...readLines(path)].map(({ text }) => text === lines.shift())).toEqual([true, true, true, true])
})

test('`readLines()` says which file cannot be read', () => {
  expect(errorOf(() => [...readLines(join(folder, 'nowhere.txt'))]).code).toBe('E_FILE')
})

describe('datasetFiles()', () => {
  const data = join(folder, 'data')
  mkdirSync(join(data, 'sub'), { recursive: true })
  for (const name of ['b.jsonl', 'a.json', 'README.md', 'notes.pdf', 'c.bin'])
    writeFileSync(join(data, name), '{}')

  test('takes a file, or the readable files of a folder by name', () => {
    expect(datasetFiles(options({ path: join(data, 'c.bin'), ds_type: 'json' }))).toEqual([
      join(data, 'c.bin'),
    ])
    expect(datasetFiles(options({ path: data }))).toEqual([join(data, 'a.json'), join(data, 'b.jsonl')])
  })

  test('takes data_files inside the folder or on their own', () => {
    expect(datasetFiles(options({ path: data, data_files: 'c.bin', ds_type: 'json' }))).toEqual([
      join(data, 'c.bin'),
    ])
    const alone = join(data, 'b.jsonl')
    expect(datasetFiles(options({ path: 'json', data_files: [alone] }))).toEqual([alone])
  })

  test('says what is missing', () => {
    expect(errorOf(() => datasetFiles(options({ path: 'tatsu-lab/alpaca' }))).message).toContain(
      'one of the hub is written org/name',
    )
    expect(errorOf(() => datasetFiles(options({ path: data, data_files: 'z.jsonl' }))).message).toContain(
      'z.jsonl',
    )
    expect(errorOf(() => datasetFiles(options({ path: join(data, 'sub') }))).message).toContain(
      'no file to read',
    )
  })
})

describe('splits', () => {
  const { folders, slices } = goldenJson<{
    folders: { files: string[]; splits: Record<string, string[]> }[]
    slices: { split: string; records?: number[]; error?: string }[]
  }>('data', 'splits.json')

  test('`splitFiles()` reads names as datasets does', () => {
    for (const { files, splits } of folders)
      expect({ files, splits: Object.fromEntries(splitFiles(files)) }).toEqual({ files, splits })
  })

  test('slices take the records that datasets takes, and refuse what it refuses', async () => {
    const place = join(folder, 'slices')
    mkdirSync(place, { recursive: true })
    const lines = (count: number): string =>
      Array.from({ length: count }, (_, i) => `${JSON.stringify({ i })}\n`).join('')
    writeFileSync(join(place, 'train.jsonl'), lines(7))
    writeFileSync(join(place, 'test.jsonl'), lines(5))
    for (const { split, records } of slices) {
      const take = async (): Promise<unknown[]> => {
        const given = options({ path: place, split })
        const all: DataRecord[] = []
        for (const path of datasetFiles(given)) all.push(...(await Array.fromAsync(readRecords(path, given))))
        const { start, end } = recordSlice(split, all.length)
        return all.slice(start, end).map(({ value }) => value.i)
      }
      // Nothing at all is refused here in every case.
      if (records === undefined || records.length === 0) await failureOf(take)
      else expect({ split, records: await take() }).toEqual({ split, records })
    }
  })

  test('a folder without the split that is wanted says which it has', () => {
    const place = join(folder, 'two')
    mkdirSync(place, { recursive: true })
    for (const name of ['dev.jsonl', 'test.jsonl']) writeFileSync(join(place, name), '{}\n')
    expect(errorOf(() => datasetFiles(options({ path: place }))).message).toContain(
      'there is no split "train"; by the names of its files the folder has validation, test',
    )
    expect(datasetFiles(options({ path: place, split: 'test[:1]' }))).toEqual([join(place, 'test.jsonl')])
    expect(
      errorOf(() => datasetFiles(options({ path: join(place, 'dev.jsonl'), split: 'test' }))).message,
    ).toContain('there is no split "test": a file')
  })
})
