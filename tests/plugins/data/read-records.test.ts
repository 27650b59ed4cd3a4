import { afterAll, describe, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { datasetFiles, readRecords } from '../../../plugins/data/mod.ts'
import { readLines } from '../../../plugins/data/read-lines.ts'
import { recordSlice } from '../../../plugins/data/record-slice.ts'
import { errorOf, options } from './_options.ts'

const folder = mkdtempSync(join(tmpdir(), 'tritune-read-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

function read(path: string, given: object = {}): [unknown, number][] {
  return [...readRecords(path, options(given))].map(({ value, source }) => [value, source.line])
}

describe('readRecords()', () => {
  test('reads JSON Lines with BOM, CRLF, blank lines and no final newline', () => {
    const path = file('a.jsonl', '\uFEFF{"a": 1}\r\n\r\n{"a": "ü\\n"}\r\n  \n{"a": 3}')
    expect(read(path)).toEqual([
      [{ a: 1 }, 1],
      [{ a: 'ü\n' }, 3],
      [{ a: 3 }, 5],
    ])
  })

  test('names file and line of a broken record', () => {
    const path = file('b.jsonl', '{"a": 1}\n{"a": }\n')
    expect(errorOf(() => read(path)).message).toStartWith(`${path}:2: not valid JSON: `)
    expect(errorOf(() => read(file('c.jsonl', '[1]\n3\n'))).message).toContain(':1: expected a record')
    expect(errorOf(() => read(file('d.jsonl', '{\n  "a": 1\n}\n'))).remedy).toContain('a line of its own')
  })

  test('reads a JSON list and keeps the lines', () => {
    const path = file('a.json', '\uFEFF[\n  {"a": "]},"},\n  {\n    "a": [1, {"b": "\\""}]\n  }\n]\n')
    expect(read(path)).toEqual([
      [{ a: ']},' }, 2],
      [{ a: [1, { b: '"' }] }, 3],
    ])
    expect(read(file('empty.json', '[ ]'))).toEqual([])
  })

  test('reads a .json file of JSON Lines', () => {
    expect(read(file('lines.json', '{"a": 1}\n{"a": 2}\n'))).toHaveLength(2)
  })

  test('names the line of what is wrong in a JSON list', () => {
    const line = (content: string): string | undefined => errorOf(() => read(file('x.json', content))).place
    expect(line('[\n{"a": 1},\n{"a": tru}\n]')).toEndWith('x.json:3')
    expect(line('[\n{"a": 1}\n')).toEndWith('x.json:3')
    expect(line('[\n{"a": 1},\n,{"a": 2}]')).toEndWith('x.json:3')
    expect(line('[{"a": 1}]\nx')).toEndWith('x.json:2')
    expect(line('[{"a": 1},\n3]')).toEndWith('x.json:2')
  })

  test('reads text per line, paragraph or document', () => {
    const path = file('a.txt', 'one\ntwo\n\n\nthree\r\nfour\n')
    expect(read(path)).toEqual([
      [{ text: 'one' }, 1],
      [{ text: 'two' }, 2],
      [{ text: 'three' }, 5],
      [{ text: 'four' }, 6],
    ])
    expect(read(path, { sample_by: 'paragraph', field: 'body' })).toEqual([
      [{ body: 'one\ntwo' }, 1],
      [{ body: 'three\nfour' }, 5],
    ])
    expect(read(path, { sample_by: 'document' })).toEqual([[{ text: 'one\ntwo\n\n\nthree\nfour' }, 1]])
    expect(read(file('blank.txt', '\n \n'), { sample_by: 'document' })).toEqual([])
  })

  test('asks for ds_type when the name says nothing', () => {
    const path = file('a.dat', '{"a": 1}\n')
    expect(errorOf(() => read(path)).remedy).toContain('ds_type')
    expect(read(path, { ds_type: 'json' })).toHaveLength(1)
  })

  test('refuses bytes that are not UTF-8', () => {
    const path = file('latin1.jsonl', Uint8Array.of(0x7b, 0x7d, 10, 0x22, 0xe9, 0x22))
    expect(errorOf(() => read(path)).message).toBe(`${path}:2: not valid UTF-8`)
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
    expect(datasetFiles(options({ path: join(data, 'c.bin') }))).toEqual([join(data, 'c.bin')])
    expect(datasetFiles(options({ path: data }))).toEqual([join(data, 'a.json'), join(data, 'b.jsonl')])
  })

  test('takes data_files inside the folder or on their own', () => {
    expect(datasetFiles(options({ path: data, data_files: 'c.bin' }))).toEqual([join(data, 'c.bin')])
    const alone = join(data, 'b.jsonl')
    expect(datasetFiles(options({ path: 'json', data_files: [alone] }))).toEqual([alone])
  })

  test('says what is missing', () => {
    expect(errorOf(() => datasetFiles(options({ path: 'tatsu-lab/alpaca' }))).message).toContain(
      'from the Hub',
    )
    expect(errorOf(() => datasetFiles(options({ path: data, data_files: 'z.jsonl' }))).message).toContain(
      'z.jsonl',
    )
    expect(errorOf(() => datasetFiles(options({ path: join(data, 'sub') }))).message).toContain(
      'no file to read',
    )
  })
})

test('`recordSlice()` counts records and percent, from either end', () => {
  expect(recordSlice(null, 10)).toEqual({ start: 0, end: 10 })
  expect(recordSlice('train', 10)).toEqual({ start: 0, end: 10 })
  expect(recordSlice('train[:3]', 10)).toEqual({ start: 0, end: 3 })
  expect(recordSlice('train[20%:-1]', 10)).toEqual({ start: 2, end: 9 })
  expect(recordSlice('train[8:99]', 10)).toEqual({ start: 8, end: 10 })
  expect(recordSlice('train[5:2]', 10)).toEqual({ start: 5, end: 5 })
})
