/**
 * Files that lie: tensors in each other or outside, names and keys twice, counts and lengths that nobody has room for, values of the wrong
 * type, adapters that are half. Each is one error with its place, in no time, and the file is never read beyond its end.
 */
import { afterAll, describe, expect, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { TrituneError } from '../../../core/errors.ts'
import {
  ggmlType,
  type GgufContent,
  ggufFamily,
  ggufToHf,
  ggufTokenizer,
  type GgufTypedValue,
  openGguf,
  quantize,
  readGgufLora,
  typed,
  writeGguf,
} from '../../../plugins/gguf/mod.ts'
import { loadModel } from '../../../plugins/models/mod.ts'
import { GOLDEN, temporaryFolder } from '../../_golden.ts'

const space = temporaryFolder()
afterAll(() => space[Symbol.dispose]())
const path = join(space.path, 'x.gguf')
const f32 = ggmlType('F32')

function failure(work: () => unknown): TrituneError {
  const start = performance.now()
  try {
    work()
  } catch (error) {
    expect(performance.now() - start).toBeLessThan(2000)
    if (error instanceof TrituneError) return error
    throw error
  }
  throw new Error('it did not fail')
}

/** Two tensors `aa` and `bb` of 8 numbers, and a key; then the bytes are changed. */
function changed(change: (bytes: Buffer, at: (text: string) => number) => void): string {
  const tensor = (name: string): GgufContent['tensors'][number] => ({
    name,
    type: f32,
    shape: [2, 4],
    chunks: () => [quantize(f32, new Float32Array(8), name)],
  })
  writeGguf(path, {
    metadata: new Map([
      ['kk', typed(5)],
      ['ll', typed(['x', 'y'])],
    ]),
    tensors: [tensor('aa'), tensor('bb')],
  })
  const bytes = readFileSync(path)
  change(bytes, (text) => bytes.indexOf(text))
  writeFileSync(path, bytes)
  return path
}

/** Behind the name of a tensor: dims (4), sizes (2 × 8), type (4), offset (8). */
const [DIMS, SIZE, TYPE, OFFSET] = [2, 6, 22, 26]

const cases: [string, (bytes: Buffer, at: (text: string) => number) => void, RegExp][] = [
  [
    'a tensor in another',
    (b, at) => void b.writeBigUInt64LE(0n, at('bb') + OFFSET),
    /tensor "bb".*overlaps tensor "aa"|tensor "aa".*overlaps tensor "bb"/,
  ],
  [
    'a tensor behind the end',
    (b, at) => void b.writeBigUInt64LE(64n, at('bb') + OFFSET),
    /tensor "bb".*truncated.*ends at byte/,
  ],
  [
    'an offset that no number holds',
    (b, at) => void b.writeBigUInt64LE(2n ** 64n - 32n, at('bb') + OFFSET),
    /offset of tensor "bb" is 18446744073709551584/,
  ],
  [
    'a size that no file has',
    (b, at) => void b.writeBigUInt64LE(2n ** 40n, at('bb') + SIZE),
    /tensor "bb".*truncated/,
  ],
  [
    'sizes whose product overflows',
    (b, at) => {
      b.writeBigUInt64LE(2n ** 52n, at('bb') + SIZE)
      b.writeBigUInt64LE(2n ** 52n, at('bb') + SIZE + 8)
    },
    /tensor "bb".*truncated/,
  ],
  ['five dimensions', (b, at) => void b.writeUInt32LE(5, at('bb') + DIMS), /tensor "bb".*5 dimensions/],
  [
    'an unknown type',
    (b, at) => void b.writeUInt32LE(77, at('bb') + TYPE),
    /tensor "bb".*unknown ggml type 77/,
  ],
  [
    'rows that are no blocks of the type',
    (b, at) => void b.writeUInt32LE(12, at('bb') + TYPE),
    /tensor "bb".*not whole blocks of 256/,
  ],
  ['a name twice', (b, at) => void b.write('aa', at('bb')), /tensor "aa".*twice/],
  ['a key twice', (b, at) => void b.write('kk', at('ll')), /key "kk" is there twice/],
  [
    'a key of an unknown type',
    (b, at) => void b.writeUInt32LE(13, at('kk') + 2),
    /key "kk" has the unknown type 13/,
  ],
  [
    'a list longer than the file',
    (b, at) => void b.writeBigUInt64LE(2n ** 50n, at('ll') + 2 + 4 + 4),
    /truncated.*array "ll" of 1125899906842624 strings/,
  ],
  [
    'a list of lists',
    (b, at) => void b.writeUInt32LE(9, at('ll') + 2 + 4),
    /key "ll" has the unknown type 9/,
  ],
  [
    'a text longer than the file',
    (b, at) => void b.writeBigUInt64LE(2n ** 40n, at('ll') + 2 + 4 + 4 + 8),
    /truncated/,
  ],
  [
    'as many tensors as fit into no memory',
    (b) => void b.writeBigUInt64LE(2n ** 40n, 8),
    /claims 1099511627776 tensors/,
  ],
  ['as many keys', (b) => void b.writeBigUInt64LE(2n ** 40n, 16), /truncated|unknown type|twice/],
]

test.each(cases)('%s', (_name, change, message) => {
  const error = failure(() => openGguf(changed(change)))
  expect(error.message).toMatch(message)
  expect(['E_FORMAT', 'E_UNSUPPORTED']).toContain(error.code)
  expect(error.message).toContain(path)
})

describe('a model', () => {
  const original = openGguf(join(GOLDEN, 'gguf/llama.gguf'))
  /** The golden model's metadata with changes, and its tensors. */
  function model(changes: Readonly<Record<string, GgufTypedValue>>): string {
    const bytes = readFileSync(original.path)
    writeGguf(path, {
      metadata: new Map([
        ...[...original.metadata].map(([key, value]) => [key, typed(value)] as const),
        ...Object.entries(changes),
      ]),
      tensors: [...original.tensors.values()].map(({ name, type, shape, offset, bytes: length }) => ({
        name,
        type,
        shape,
        chunks: () => [bytes.subarray(offset, offset + length)],
      })),
    })
    return path
  }
  const wrong: [string, string, GgufTypedValue, RegExp][] = [
    [
      'a text for a number',
      'llama.block_count',
      typed('two'),
      /"llama.block_count" is "two", expected a number/,
    ],
    ['a list for a number', 'llama.embedding_length', typed([32, 32]), /is an array, expected a number/],
    ['more blocks than there are', 'llama.block_count', typed(7), /weight model.layers.1.* is missing/],
    ['no heads', 'llama.attention.head_count', typed(0), /./],
    ['another size', 'llama.feed_forward_length', typed(96), /has shape \[64,32\], expected \[96,32\]/],
    ['an adapter', 'general.type', typed('adapter'), /the file is an adapter, not a model/],
  ]
  test.each(wrong)('with %s', (_name, key, value, message) => {
    const error = failure(() => loadModel(model({ [key]: value })))
    expect(error.message).toMatch(message)
  })

  test('unchanged it loads', () => {
    expect(ggufToHf(openGguf(model({}))).tensors.size).toBe(11)
  })

  test('a tokenizer with values of the wrong type', () => {
    const broken = openGguf(
      model({ 'tokenizer.ggml.model': typed('gpt2'), 'tokenizer.ggml.tokens': typed([1, 2]) }),
    )
    expect(failure(() => ggufTokenizer(broken)).message).toMatch(/expected an array of strings/)
  })
})

describe('an adapter', () => {
  function adapter(
    names: readonly (readonly [string, readonly number[]])[],
    alpha: GgufTypedValue = { type: 'f32', value: 4 },
  ): string {
    writeGguf(path, {
      metadata: new Map([
        ['general.architecture', typed('llama')],
        ['general.type', typed('adapter')],
        ['adapter.type', typed('lora')],
        ['adapter.lora.alpha', alpha],
      ]),
      tensors: names.map(([name, shape]) => ({
        name,
        type: f32,
        shape,
        chunks: () => [new Uint8Array(4 * shape.reduce((a, b) => a * b, 1))],
      })),
    })
    return path
  }
  const pair = (name: string): [string, number[]][] => [
    [`blk.0.${name}.weight.lora_a`, [2, 32]],
    [`blk.0.${name}.weight.lora_b`, [32, 2]],
  ]
  const read = (file: string): unknown =>
    readGgufLora(openGguf(file), ggufFamily('llama', file), { heads: 4, kvHeads: 2 })
  const broken: [string, () => string, RegExp][] = [
    ['without a B', () => adapter(pair('ffn_up').slice(0, 1)), /there is no "blk.0.ffn_up.weight.lora_b"/],
    ['without an A', () => adapter(pair('ffn_up').slice(1)), /not part of a pair/],
    [
      'with a whole weight',
      () => adapter([...pair('ffn_up'), ['output.weight', [4, 4]]]),
      /"output.weight" is not part of a pair/,
    ],
    [
      'with another rank in B',
      () => adapter([pair('ffn_up')[0], ['blk.0.ffn_up.weight.lora_b', [32, 3]]]),
      /shapes \[2,32\] and \[32,3\] are no pair/,
    ],
    [
      'of rank 0',
      () =>
        adapter([
          ['blk.0.ffn_up.weight.lora_a', [0, 32]],
          ['blk.0.ffn_up.weight.lora_b', [32, 0]],
        ]),
      /are no pair/,
    ],
    [
      'whose rows are no heads',
      () =>
        adapter([
          ['blk.0.attn_q.weight.lora_a', [2, 32]],
          ['blk.0.attn_q.weight.lora_b', [30, 2]],
        ]),
      /30 rows are not 4 heads/,
    ],
    [
      'for a layer that there is not',
      () => adapter(pair('ffn_middle')),
      /belongs to no supported architecture/,
    ],
    ['without tensors', () => adapter([]), /has no tensors/],
    [
      'with an alpha that is NaN',
      () => adapter(pair('ffn_up'), { type: 'f32', value: NaN }),
      /adapter.lora.alpha is NaN/,
    ],
  ]
  test.each(broken)('%s', (_name, make, message) => {
    expect(failure(() => read(make())).message).toMatch(message)
  })
})
