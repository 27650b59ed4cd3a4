/**
 * Files that are written: read back, and by what cannot be written nothing is left.
 */
import { expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  ggmlType,
  type GgufContent,
  type GgufTypedValue,
  openGguf,
  quantize,
  readGgufTensor,
  typed,
  writeGguf,
} from '../../../plugins/gguf/mod.ts'
import { temporaryFolder } from '../../_golden.ts'

const f32 = ggmlType('F32')

function content(changes: Partial<GgufContent> = {}): GgufContent {
  const values = Float32Array.from({ length: 96 }, (_, i) => i / 7)
  const q8 = ggmlType('Q8_0')
  return {
    metadata: new Map<string, GgufTypedValue>([
      ['general.architecture', typed('none')],
      ['a.bool', typed(true)],
      ['a.float', typed(0.5)],
      ['a.negative', typed(-3)],
      ['a.large', typed(2 ** 40)],
      ['a.huge', typed(2n ** 63n + 1n)],
      ['texts', typed(['a', '', '日本', '😀'])],
      ['numbers', typed([1, 2, 3])],
      ['none', { type: 'f32', value: [] }],
      // More than the buffer begins with.
      ['many', typed(Array.from({ length: 20_000 }, (_, i) => `token ${i}`))],
    ]),
    tensors: [
      { name: 'v', type: f32, shape: [3], chunks: () => [quantize(f32, Float32Array.of(1, 2, 3), 'v')] },
      {
        name: 'w',
        type: q8,
        shape: [3, 32],
        *chunks() {
          for (let row = 0; row < 3; row++) yield quantize(q8, values.subarray(32 * row, 32 * row + 32), 'w')
        },
      },
    ],
    ...changes,
  }
}

test('what is written is read back', () => {
  using folder = temporaryFolder()
  const path = join(folder.path, 'x.gguf')
  const { metadata } = content()
  writeGguf(path, content())
  const file = openGguf(path)
  expect(file.version).toBe(3)
  for (const [key, { value }] of metadata) expect([key, file.metadata.get(key)]).toEqual([key, value])
  expect([...readGgufTensor(file, file.tensors.get('v')!)]).toEqual([1, 2, 3])
  const w = file.tensors.get('w')!
  expect(w.shape).toEqual([3, 32])
  expect(w.offset % 32).toBe(0)
  expect(readGgufTensor(file, w)[95]).toBeCloseTo(95 / 7, 1)
  expect(readFileSync(path).length % 32).toBe(0)
})

const broken: [string, Partial<GgufContent>, RegExp][] = [
  [
    'too few bytes',
    { tensors: [{ name: 't', type: f32, shape: [4], chunks: () => [new Uint8Array(12)] }] },
    /tensor "t".*gave 12 bytes/,
  ],
  [
    'too many bytes',
    { tensors: [{ name: 't', type: f32, shape: [4], chunks: () => [new Uint8Array(20)] }] },
    /gave more than 16 bytes/,
  ],
  [
    'a part of a block',
    { tensors: [{ name: 't', type: ggmlType('Q4_K'), shape: [2, 96], chunks: () => [] }] },
    /rows of 96 are not whole blocks of 256/,
  ],
  ['a name twice', { tensors: [...content().tensors, ...content().tensors] }, /tensor "v".*used twice/],
  [
    'a long name',
    { tensors: [{ name: 'n'.repeat(64), type: f32, shape: [0], chunks: () => [] }] },
    /at most 63 bytes/,
  ],
  [
    'a number that is no u32',
    { metadata: new Map([['k', { type: 'u32', value: -1 }]]) },
    /metadata key "k".*-1 is no u32/,
  ],
]

test.each(broken)('%s is refused, and nothing is left', (_name, changes, message) => {
  using folder = temporaryFolder()
  expect(() => writeGguf(join(folder.path, 'x.gguf'), content(changes))).toThrow(message)
  expect(readdirSync(folder.path)).toEqual([])
})

test('a file that is there stays when the new one fails', () => {
  using folder = temporaryFolder()
  const path = join(folder.path, 'x.gguf')
  writeGguf(path, content())
  const before = readFileSync(path)
  const tensors = [
    {
      name: 't',
      type: f32,
      shape: [1],
      chunks: (): Uint8Array[] => {
        throw new Error('no more')
      },
    },
  ]
  expect(() => writeGguf(path, content({ tensors }))).toThrow('no more')
  expect(readFileSync(path).equals(before)).toBe(true)
})
