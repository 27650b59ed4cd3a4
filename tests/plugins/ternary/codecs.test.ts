/**
 * Packings of trits: round trips at every size, bytes that are known or that the rest of tritune makes, and codes that are none.
 */
import { describe, expect, test } from 'bun:test'
import { quantizeTernary, tensor, tensorScope } from '../../../core/mod.ts'
import { dequantize, ggmlType, quantize } from '../../../plugins/gguf/mod.ts'
import {
  packedTrits,
  repackTrits,
  tritCodecs,
  type TritPacking,
  type TritShape,
} from '../../../plugins/ternary/mod.ts'
import { expectSameTrits, plain } from './_plain.ts'
import { thrown } from './_thrown.ts'

const PACKINGS = Object.keys(tritCodecs) as TritPacking[]
const SHAPES: readonly TritShape[] = [
  { rows: 1, cols: 1 },
  { rows: 1, cols: 31 },
  { rows: 3, cols: 32 },
  { rows: 4, cols: 33 },
  { rows: 8, cols: 256 },
  { rows: 2, cols: 512 },
  { rows: 1, cols: 100_003 },
]

function fits(packing: TritPacking, { rows, cols }: TritShape): boolean {
  if (packing === 'hf_rows') return rows % 4 === 0
  return packing === 'tq1_0' || packing === 'tq2_0' ? cols % 256 === 0 : true
}

describe.each(PACKINGS)('%s', (packing) => {
  const codec = tritCodecs[packing]

  test('gives the trits again, and as many bytes as it says', () => {
    for (const shape of SHAPES.filter((one) => fits(packing, one))) {
      const trits = plain.random(shape.rows * shape.cols, shape.cols)
      const bytes = codec.encode(trits, shape)
      expect(bytes.length).toBe(codec.bytes(shape))
      expectSameTrits(codec.decode(bytes, shape).trits, trits)
    }
  })

  test('refuses other lengths, and what is no trit', () => {
    const shape = { rows: 4, cols: 256 }
    const trits = plain.random(1024, 1)
    expect(thrown(() => codec.encode(trits.subarray(1), shape))).toMatchObject({ code: 'E_SHAPE' })
    expect(thrown(() => codec.encode(trits.with(700, 2), shape))).toMatchObject({
      code: 'E_VALUE',
      what: expect.stringContaining('trit 700'),
    })
    const bytes = codec.encode(trits, shape)
    for (const wrong of [bytes.subarray(1), new Uint8Array(bytes.length + 1), new Uint8Array(0)])
      expect(thrown(() => codec.decode(wrong, shape, { place: 'x.bin' }))).toMatchObject({
        code: 'E_SHAPE',
        place: 'x.bin',
        what: expect.stringContaining(`${wrong.length} bytes`),
      })
    for (const size of [0, -1, 1.5, NaN]) {
      expect(thrown(() => codec.bytes({ rows: size, cols: 256 })).code).toBe('E_VALUE')
      expect(thrown(() => codec.bytes({ rows: 4, cols: size })).code).toBe('E_VALUE')
    }
  })
})

test('sizes that a packing has not are refused', () => {
  expect(thrown(() => tritCodecs.hf_rows.bytes({ rows: 6, cols: 4 }))).toMatchObject({ code: 'E_SHAPE' })
  for (const packing of ['tq1_0', 'tq2_0'] as const)
    expect(thrown(() => tritCodecs[packing].bytes({ rows: 4, cols: 255 }))).toMatchObject({ code: 'E_SHAPE' })
})

test('bytes are those of the formats', () => {
  const row = { rows: 1, cols: 5 }
  const trits = [1, -1, 0, 1, -1]
  expect([...tritCodecs.two_bit.encode(trits, row)]).toEqual([0b01_00_10_01, 0b10])
  expect([...tritCodecs.base3.encode(trits, row)]).toEqual([2 + 9 + 2 * 27])
  expect([...tritCodecs.base3_4.encode(trits, row)]).toEqual([2 + 9 + 2 * 27, 0])
  expect([...tritCodecs.base3.encode([1, 1, 1, 1, 1], row)]).toEqual([242])
  expect([...tritCodecs.base3_4.encode([1, 1, 1, 1], { rows: 1, cols: 4 })]).toEqual([80])
  expect([...tritCodecs.planes.encode(trits, row)]).toEqual([0b01001, 0, 0, 0, 0b10010, 0, 0, 0])
  expect([...tritCodecs.hf_rows.encode([1, 0, -1, 1], { rows: 4, cols: 1 })]).toEqual([0b10_00_01_10])
})

test('hf_rows are the bytes of a packed weight', () => {
  using _scope = tensorScope()
  const shape = { rows: 12, cols: 7 }
  const trits = plain.random(84, 3)
  // The mean of |trits| is the scale; what is not 0 is above half of it.
  using packed = quantizeTernary(tensor(trits, { shape: [12, 7] }))
  expect([...tritCodecs.hf_rows.encode(trits, shape)]).toEqual([...packed.parts.data.toArray()])
})

test('planes are those of packed vectors', () => {
  const trits = plain.random(100, 4)
  const { plus, minus } = packedTrits.fromArray(trits)
  const bytes = tritCodecs.planes.encode(trits, { rows: 1, cols: 100 })
  expect([...new Uint32Array(bytes.buffer)]).toEqual([...plus, ...minus])
})

describe.each(['TQ1_0', 'TQ2_0'] as const)('%s', (name) => {
  const codec = tritCodecs[name === 'TQ1_0' ? 'tq1_0' : 'tq2_0']
  const shape = { rows: 2, cols: 512 }
  const trits = plain.random(1024, 5)

  test('with scales is the tensor of ggml', () => {
    const scales = [0.5, 2, 0.25, 1]
    const bytes = codec.encode(trits, shape, scales)
    const values = Float32Array.from(trits, (one, i) => one * scales[Math.floor(i / 256)])
    expect(bytes).toEqual(quantize(ggmlType(name), values, ''))
    const back = codec.decode(bytes, shape)
    expectSameTrits(back.trits, trits)
    expect([...(back.scales ?? [])]).toEqual(scales)
    const numbers = new Float32Array(1024)
    dequantize(ggmlType(name), bytes, numbers, '')
    expect(numbers).toEqual(values)
  })

  test('a block of zeros has no scale, a negative scale turns the trits', () => {
    const bytes = codec.encode(new Int8Array(256), { rows: 1, cols: 256 })
    expect([...(codec.decode(bytes, { rows: 1, cols: 256 }).scales ?? [])]).toEqual([0])
    const turned = codec.encode(trits, shape)
    turned[turned.length - 1] ^= 0x80
    const { trits: got, scales } = codec.decode(turned, shape)
    expectSameTrits(got.slice(768), plain.negate(trits.slice(768)))
    expect([...(scales ?? [])]).toEqual([1, 1, 1, 1])
  })

  test('refuses scales that are none', () => {
    for (const wrong of [0, -1, NaN, 1e6])
      expect(thrown(() => codec.encode(trits, shape, [1, 1, wrong, 1]))).toMatchObject({
        code: 'E_VALUE',
        what: expect.stringContaining('scale 2'),
      })
    expect(thrown(() => codec.encode(trits, shape, [1]))).toMatchObject({ code: 'E_SHAPE' })
    const bytes = codec.encode(trits, shape)
    bytes[bytes.length - 1] = 0x7c // infinity
    bytes[bytes.length - 2] = 0
    expect(thrown(() => codec.decode(bytes, shape))).toMatchObject({
      code: 'E_FORMAT',
      what: expect.stringContaining('the scale of block 3'),
    })
  })

  test('every byte that five digits give is taken, and no other', () => {
    const counts = [3, 51].map((at) => {
      let legal = 0
      for (let value = 0; value < 256; value++) {
        const bytes = codec.encode(new Int8Array(256).fill(1), { rows: 1, cols: 256 })
        bytes[at] = value
        try {
          codec.decode(bytes, { rows: 1, cols: 256 })
          legal++
        } catch {
          // One that is counted out.
        }
      }
      return legal
    })
    expect(counts).toEqual(name === 'TQ1_0' ? [243, 81] : [81, 81])
  })
})

describe('illegal codes name byte and place', () => {
  const wrong: readonly (readonly [TritPacking, TritShape, number, number, string])[] = [
    [
      'two_bit',
      { rows: 2, cols: 6 },
      2,
      0b00_11_00_00,
      'byte 2 is 48: its digit 2 is 11, which is no trit (trit 8)',
    ],
    ['two_bit', { rows: 2, cols: 6 }, 3, 0b01_00_00_00, 'its digit 3 is past the row and must be 0'],
    [
      'hf_rows',
      { rows: 4, cols: 3 },
      1,
      0b11_01_01_01,
      'byte 1 is 213: its digit 3 is 11, which is no trit (trit 10)',
    ],
    ['base3', { rows: 2, cols: 5 }, 1, 243, 'byte 1 is 243: 5 digits to base 3 are at most 242'],
    ['base3', { rows: 1, cols: 3 }, 0, 27, 'its digit 3 is past the row'],
    ['base3_4', { rows: 2, cols: 4 }, 1, 81, 'byte 1 is 81: 4 digits to base 3 are at most 80'],
    ['planes', { rows: 2, cols: 40 }, 17, 0xff, 'in both planes (11)'],
    ['planes', { rows: 2, cols: 40 }, 21, 0x80, 'byte 21 is 128: it has bits past the 40 columns'],
    ['tq1_0', { rows: 1, cols: 256 }, 7, 1, 'byte 7 is 1: no 5 digits to base 3 give it'],
    ['tq1_0', { rows: 2, cols: 256 }, 54 + 49, 2, `byte ${54 + 49} is 2: no 4 digits to base 3 give it`],
    ['tq2_0', { rows: 2, cols: 256 }, 66 + 3, 0b00_00_11_01, `byte ${66 + 3} is 13: its digit 1 is 11`],
  ]
  test.each(wrong)('%s %o, byte %i', (packing, shape, byte, value, what) => {
    const codec = tritCodecs[packing]
    const bytes = codec.encode(new Int8Array(shape.rows * shape.cols).fill(1), shape)
    bytes[byte] = value
    if (packing === 'planes' && value === 0xff) bytes[byte + 8] = 0xff
    const error = thrown(() => codec.decode(bytes, shape, { place: 'w.bin: tensor "x"' }))
    expect(error).toMatchObject({ code: 'E_FORMAT', place: 'w.bin: tensor "x"' })
    expect(error.what).toContain(what)
  })
})

describe('repackTrits()', () => {
  test('every packing to every other', () => {
    const shape = { rows: 4, cols: 512 }
    const trits = plain.random(2048, 9)
    for (const from of PACKINGS)
      for (const to of PACKINGS)
        expect(repackTrits(tritCodecs[from].encode(trits, shape), { from, to, ...shape })).toEqual(
          tritCodecs[to].encode(trits, shape),
        )
  })

  test('keeps scales where there are some, and loses none in silence', () => {
    const shape = { rows: 1, cols: 512 }
    const bytes = tritCodecs.tq2_0.encode(plain.random(512, 1), shape, [0.5, 4])
    const there = repackTrits(bytes, { from: 'tq2_0', to: 'tq1_0', ...shape })
    expect(repackTrits(there, { from: 'tq1_0', to: 'tq2_0', ...shape })).toEqual(bytes)
    expect(
      thrown(() => repackTrits(bytes, { from: 'tq2_0', to: 'planes', place: 'a', ...shape })),
    ).toMatchObject({
      code: 'E_UNSUPPORTED',
      place: 'a',
    })
  })

  test('refuses names that are none, and shapes of the target, before it reads', () => {
    const options = { from: 'planes', to: 'hf_rows', rows: 3, cols: 1 } as const
    expect(thrown(() => repackTrits(new Uint8Array(0), options))).toMatchObject({
      code: 'E_SHAPE',
      what: expect.stringContaining('multiple of 4'),
    })
    const name: string = 'base4'
    expect(
      thrown(() => repackTrits(new Uint8Array(0), { ...options, to: name as TritPacking })),
    ).toMatchObject({
      code: 'E_VALUE',
    })
  })
})
