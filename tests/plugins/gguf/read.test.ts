import { afterAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TrituneError } from '../../../core/errors.ts'
import {
  ggmlType,
  ggufNumber,
  ggufStrings,
  openGguf,
  readGgufRows,
  readGgufTensor,
} from '../../../plugins/gguf/mod.ts'

const golden = join(import.meta.dir, '../../golden/gguf')
const folder = mkdtempSync(join(tmpdir(), 'tritune-gguf-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const original = readFileSync(join(golden, 'types.gguf'))

function variant(change: (bytes: Buffer) => Uint8Array): string {
  const path = join(folder, `${Math.random().toString(36).slice(2)}.gguf`)
  writeFileSync(path, change(Buffer.from(original)))
  return path
}

function version(number: number, big = false): string {
  return variant((bytes) => {
    if (big) bytes.writeUInt32BE(number, 4)
    else bytes.writeUInt32LE(number, 4)
    return bytes
  })
}

function huge(at: number): string {
  return variant((bytes) => (bytes.writeBigUInt64LE(2n ** 62n, at), bytes))
}

function failure(work: () => unknown): TrituneError {
  try {
    work()
  } catch (error) {
    if (error instanceof TrituneError) return error
    throw error
  }
  throw new Error('it did not fail')
}

describe('openGguf()', () => {
  const file = openGguf(join(golden, 'types.gguf'))

  test('reads every metadata type', () => {
    const value = (name: string): unknown => file.metadata.get(`test.${name}`)
    expect(file.version).toBe(3)
    expect([value('u8'), value('i8'), value('u16'), value('i16')]).toEqual([255, -128, 65535, -32768])
    expect([value('u32'), value('i32')]).toEqual([4294967295, -2147483648])
    expect([value('f32'), value('f64')]).toEqual([Math.fround(0.1), 0.1])
    expect([value('u64'), value('i64')]).toEqual([2n ** 63n + 1n, -5])
    expect([value('bool'), value('string')]).toEqual([true, 'grüße 😀'])
    expect(value('strings')).toEqual(['a', '', '日本'])
    expect(value('numbers')).toEqual([1, 2, -3])
    expect(value('floats')).toEqual([0.5, 1.5])
    expect(value('bools')).toEqual([true, false])
  })

  test('lists tensors with row-major shapes', () => {
    expect(file.tensors.get('t.q4_1')).toMatchObject({ shape: [3, 64], bytes: 120, type: { name: 'Q4_1' } })
    expect(file.tensors.get('t.vector')!.shape).toEqual([5])
  })

  test('names the key of a missing or wrong value', () => {
    expect(failure(() => ggufNumber(file, 'llama.block_count')).message).toMatch(
      /"llama.block_count" is missing/,
    )
    expect(failure(() => ggufStrings(file, 'test.numbers')).message).toMatch(
      /"test.numbers" is an array, expected/,
    )
    expect(ggufNumber(file, 'llama.block_count', 3)).toBe(3)
  })

  test('refuses a file cut at any place', () => {
    for (let length = 0; length < original.length - 32; length += 97) {
      expect(failure(() => openGguf(variant((bytes) => bytes.subarray(0, length)))).code).toBe('E_FORMAT')
    }
    expect(failure(() => openGguf(variant((bytes) => bytes.subarray(0, -16)))).message).toMatch(
      /tensor "t.vector".*truncated/,
    )
  })

  test('refuses other files and versions', () => {
    expect(failure(() => openGguf(variant((bytes) => bytes.fill(0, 0, 4)))).message).toMatch(
      /does not begin with "GGUF"/,
    )
    expect(failure(() => openGguf(version(1))).message).toMatch(/GGUF version 1/)
    expect(failure(() => openGguf(version(3, true))).message).toMatch(/big-endian/)
    expect(openGguf(version(2)).tensors.size).toBe(file.tensors.size)
    expect(failure(() => openGguf(join(folder, 'none.gguf'))).code).toBe('E_FILE')
  })

  test('refuses counts and lengths that no file could have', () => {
    for (const at of [8, 16, 24]) expect(failure(() => openGguf(huge(at))).code).toBe('E_FORMAT')
  })

  test('refuses an unknown tensor type and overlapping tensors', () => {
    const name = original.indexOf('t.vector')
    const type = name + 8 + 4 + 8
    expect(
      failure(() => openGguf(variant((bytes) => (bytes.writeUInt32LE(99, type), bytes)))).message,
    ).toMatch(/tensor "t.vector".*unknown ggml type 99/)
    const moved = variant((bytes) => (bytes.writeBigUInt64LE(32n, type + 4), bytes))
    expect(failure(() => openGguf(moved)).message).toMatch(/overlaps/)
    const unaligned = variant((bytes) => (bytes.writeBigUInt64LE(33n, type + 4), bytes))
    expect(failure(() => openGguf(unaligned)).message).toMatch(/no multiple of 32/)
  })
})

describe('readGgufTensor()', () => {
  const file = openGguf(join(golden, 'types.gguf'))
  const expected: Record<string, string> = JSON.parse(readFileSync(join(golden, 'types.json'), 'utf8'))

  test.each(Object.keys(expected))('decodes %s to the bits of the gguf package', (name) => {
    const values = readGgufTensor(file, file.tensors.get(name)!)
    const bytes = Buffer.from(values.buffer, values.byteOffset, values.byteLength)
    expect(bytes.toString('base64')).toBe(expected[name])
  })

  test('decodes single rows', () => {
    for (const name of Object.keys(expected)) {
      const tensor = file.tensors.get(name)!
      const all = readGgufTensor(file, tensor)
      expect([...readGgufTensor(file, tensor, { rowStart: 1, rowCount: 2 })]).toEqual([...all.subarray(64)])
    }
    expect(readGgufRows(file, file.tensors.get('t.q8_0')!, { rowStart: 2 }).length).toBe(68)
    expect([...readGgufTensor(file, file.tensors.get('t.vector')!)]).toEqual([0, 1, 2, 3, 4])
    expect(
      failure(() => readGgufTensor(file, file.tensors.get('t.f32')!, { rowStart: 2, rowCount: 2 })).code,
    ).toBe('E_SHAPE')
  })

  test('names tensor and type when there is no decoder', () => {
    const error = failure(() =>
      readGgufTensor(file, { ...file.tensors.get('t.q5_0')!, type: ggmlType('Q2_K') }),
    )
    expect(error.code).toBe('E_UNSUPPORTED')
    expect(error.message).toMatch(/tensor "t.q5_0".*type Q2_K cannot be decoded/)
  })
})
