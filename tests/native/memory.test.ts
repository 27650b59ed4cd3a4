import { beforeEach, expect, test } from 'bun:test'
import { rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { nativeSourceHash } from '../../scripts/native/source-hash.ts'
import { BAD_ARGUMENT, IO, OK, allocate, bytesAt, call, cString, lastError, text } from './_library.ts'

function stats(): { live: number; pooled: number; peak: number; calls: number } {
  const out = new BigInt64Array(4)
  expect(call('tt_memory_stats', out)).toBe(OK)
  const [live, pooled, peak, calls] = [...out].map(Number)
  return { live, pooled, peak, calls }
}

beforeEach(() => {
  call('tt_memory_trim')
})

test('the library was built from the sources in the tree', () => {
  const info = JSON.parse(text('tt_build_info')) as { sources: string }
  expect(info.sources).toBe(nativeSourceHash('cpu'))
})

test('tt_symbols() lists what is exported, itself included', () => {
  const names = text('tt_symbols').split('\n')
  expect(names).toContain('tt_alloc')
  expect(names).toContain('tt_symbols')
  expect(new Set(names).size).toBe(names.length)
})

test('tt_alloc() gives aligned, distinct, writable blocks of every size', () => {
  const sizes = [0, 1, 63, 64, 65, 511, 512, 513, 4097, 1 << 20, (2 << 20) - 1, (2 << 20) + 1, 5_000_000]
  const blocks = sizes.map((size) => allocate(size))
  blocks.forEach((block, i) => {
    expect(block % 64).toBe(0)
    if (sizes[i] > 0) new Uint8Array(bytesAt(block, sizes[i])).fill(i)
  })
  blocks.forEach((block, i) => {
    if (sizes[i] > 0) expect(new Uint8Array(bytesAt(block, sizes[i])).every((byte) => byte === i)).toBe(true)
  })
  for (const block of blocks) expect(call('tt_free', block)).toBe(OK)
})

test('tt_alloc() wastes at most an eighth above 512 bytes', () => {
  const before = stats().live
  for (const size of [513, 1000, 123_457, 3_000_001, 33_554_433]) {
    const block = allocate(size)
    const taken = stats().live - before
    expect(taken).toBeGreaterThanOrEqual(size)
    expect(taken).toBeLessThanOrEqual(size * 1.125 + 64)
    call('tt_free', block)
    call('tt_memory_trim')
  }
})

test('a freed block is used again without a call to the system', () => {
  const first = allocate(1_000_000)
  call('tt_free', first)
  const { calls } = stats()
  const second = allocate(999_000)
  expect(second).toBe(first)
  expect(stats().calls).toBe(calls)
  call('tt_free', second)
})

test('many blocks freed in another order are all found again', () => {
  const before = stats().live
  const blocks = Array.from({ length: 3000 }, (_, i) => allocate((i * 37) % 5000))
  expect(new Set(blocks).size).toBe(blocks.length)
  for (let i = 0; i < blocks.length; i++) {
    expect(call('tt_free', blocks[(i * 1009) % blocks.length])).toBe(OK)
  }
  expect(stats().live).toBe(before)
  call('tt_memory_trim')
  expect(stats().pooled).toBe(0)
})

test('tt_free() refuses a pointer that is not live', () => {
  const block = allocate(100)
  expect(call('tt_free', block)).toBe(OK)
  expect(call('tt_free', block)).toBe(BAD_ARGUMENT)
  expect(lastError()).toContain('not a live block')
})

test('tt_alloc() of an impossible size is an error, not a crash', () => {
  const out = new BigUint64Array(1)
  expect(call('tt_alloc', out, 2 ** 46)).toBe(-2)
  expect(out[0]).toBe(0n)
})

test('tt_copy() and tt_zero() work below and above the size where threads share them', () => {
  for (const size of [1, 1000, 9_000_001]) {
    const source = allocate(size)
    const target = allocate(size)
    const bytes = new Uint8Array(bytesAt(source, size))
    for (let i = 0; i < size; i++) bytes[i] = (i * 31) & 255
    expect(call('tt_copy', target, source, size, null)).toBe(OK)
    expect(Buffer.compare(new Uint8Array(bytesAt(target, size)), bytes)).toBe(0)
    expect(call('tt_zero', target, size, null)).toBe(OK)
    expect(new Uint8Array(bytesAt(target, size)).every((byte) => byte === 0)).toBe(true)
    call('tt_free', source)
    call('tt_free', target)
  }
  expect(call('tt_copy', null, null, 4, null)).toBe(BAD_ARGUMENT)
})

test('tt_file_map() maps a file and names the one that is not there', () => {
  const path = join(tmpdir(), `tritune-map-${process.pid}`)
  const out = new BigInt64Array(2)
  writeFileSync(path, 'hello')
  expect(call('tt_file_map', out, cString(path))).toBe(OK)
  expect(Number(out[1])).toBe(5)
  expect(new TextDecoder().decode(bytesAt(Number(out[0]), 5))).toBe('hello')
  expect(call('tt_file_unmap', Number(out[0]), 5)).toBe(OK)
  writeFileSync(path, '')
  expect(call('tt_file_map', out, cString(path))).toBe(IO)
  expect(lastError()).toBe(`${path}: the file is empty`)
  rmSync(path)
  expect(call('tt_file_map', out, cString(path))).toBe(IO)
  expect(lastError()).toContain(`${path}: No such file`)
})
