/**
 * Blocks as ggml makes them: bytes where it has one way, errors where it searches. quants.gguf is of llama.cpp's own quantizer.
 */
import { describe, expect, test } from 'bun:test'
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import {
  dequantize,
  ggmlType,
  openGguf,
  quantize,
  readGgufRows,
  readGgufTensor,
} from '../../../plugins/gguf/mod.ts'
import { goldenJson, GOLDEN } from '../../_golden.ts'

const file = openGguf(join(GOLDEN, 'gguf/quants.gguf'))
const x = readGgufTensor(file, file.tensors.get('x')!)
const decodedHashes = goldenJson<Record<string, string>>('gguf', 'quants.json')

function theirs(name: string): { bytes: Uint8Array; values: Float32Array } {
  const tensor = file.tensors.get(`q.${name}`)!
  return { bytes: readGgufRows(file, tensor), values: readGgufTensor(file, tensor) }
}

function ours(name: string): { bytes: Uint8Array; values: Float32Array } {
  const type = ggmlType(name)
  const bytes = quantize(type, x, 'x')
  const values = new Float32Array(x.length)
  dequantize(type, bytes, values, 'x')
  return { bytes, values }
}

/** Mean over rows of the squared error, in parts of the squared row: every row counts the same. */
function error(values: Float32Array): number {
  let sum = 0
  for (let row = 0; row < 20; row++) {
    let [difference, size] = [0, 0]
    for (let i = 256 * row; i < 256 * row + 256; i++) {
      difference += (values[i] - x[i]) ** 2
      size += x[i] ** 2
    }
    sum += size === 0 ? difference : difference / size
  }
  return Math.sqrt(sum / 20)
}

test.each(Object.keys(decodedHashes))('%s is decoded to the bits of ggml', (name) => {
  // −0 and 0 are one.
  const bytes = new Uint8Array(theirs(name).values.map((value) => value + 0).buffer)
  expect(createHash('sha256').update(bytes).digest('hex')).toBe(decodedHashes[name])
})

test.each(['Q8_0', 'Q4_0', 'Q4_1', 'Q5_0', 'Q5_1', 'TQ1_0', 'TQ2_0'])(
  '%s is encoded to the bytes of ggml',
  (name) => {
    expect(Buffer.from(ours(name).bytes).equals(theirs(name).bytes)).toBe(true)
  },
)

test.each(['Q4_K', 'Q5_K', 'Q6_K'])('the search of %s ends where that of ggml does', (name) => {
  const [a, b] = [error(ours(name).values), error(theirs(name).values)]
  expect(a).toBeLessThan(1.005 * b)
  const same = ours(name).values.filter((value, i) => value === theirs(name).values[i]).length
  expect(same / x.length).toBeGreaterThan(0.5)
})

test.each(['F32', 'F16', 'BF16'])('%s comes back rounded to nearest even', (name) => {
  const values = Float32Array.of(
    1 + 2 ** -11,
    1 + 3 * 2 ** -11,
    1 + 2 ** -8,
    1 + 3 * 2 ** -8,
    -0,
    2 ** -25,
    3 * 2 ** -25,
    65504,
  )
  const back = new Float32Array(values.length)
  dequantize(ggmlType(name), quantize(ggmlType(name), values, 'x'), back, 'x')
  const expected = {
    F32: [...values],
    F16: [1, 1 + 2 ** -9, 1 + 2 ** -8, 1 + 3 * 2 ** -8, -0, 0, 2 ** -23, 65504],
    BF16: [1, 1, 1, 1 + 2 ** -6, -0, 2 ** -25, 3 * 2 ** -25, 65536],
  }[name]
  expect([...back]).toEqual(expected ?? [])
})

describe('quantize() refuses', () => {
  const type = ggmlType('Q8_0')
  const filled = (value: number): Float32Array => new Float32Array(32).fill(value)

  test.each([NaN, Infinity, -Infinity])('%p among the weights', (value) => {
    expect(() => quantize(type, filled(value), 'tensor "t"')).toThrow(
      /there is -?(NaN|Infinity) among the weights/,
    )
  })

  test('numbers that the scales of a type do not reach', () => {
    expect(() => quantize(ggmlType('F16'), filled(7e4), 't')).toThrow(/70000 does not fit into F16/)
    expect(() => quantize(type, filled(1e7), 't')).toThrow(/does not fit into Q8_0/)
    expect(quantize(ggmlType('BF16'), filled(1e30), 't').length).toBe(64)
  })

  test('a part of a block, and types without an encoder', () => {
    expect(() => quantize(type, new Float32Array(33), 't')).toThrow(/33 elements are not whole blocks of 32/)
    expect(() => quantize(ggmlType('IQ4_XS'), new Float32Array(256), 't')).toThrow(/IQ4_XS cannot be written/)
    expect(() => ggmlType('Q4_X')).toThrow(/no ggml type "Q4_X"/)
  })
})
