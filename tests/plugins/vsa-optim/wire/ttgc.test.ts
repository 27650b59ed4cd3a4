/**
 * TTGC messages: what is in them, that they do not depend on the order of maps, and that no damaged or strange one is read.
 */
import { describe, expect, test } from 'bun:test'
import { createRandom, TrituneError } from '../../../../core/mod.ts'
import {
  CODEC_NAMES,
  type CodecOptions,
  crc32c,
  keptShare,
  updateCodec,
  updateLayout,
} from '../../../../plugins/vsa-optim/mod.ts'
import { seal } from '../../../../plugins/vsa-optim/wire/ttgc.ts'
import { thrownBy } from '../_thrown.ts'

const SHAPES = [
  ['layers.1.b', { shape: [100, 16] }],
  ['layers.0.a', { shape: [16, 64] }],
  ['norm', { shape: [64] }],
] as const
const LAYOUT = updateLayout(new Map<string, { readonly shape: readonly number[] }>(SHAPES))

function update(seed = 1): Float32Array {
  const random = createRandom(seed)
  return Float32Array.from({ length: LAYOUT.length }, () => random.normal())
}

const CODECS: readonly (readonly [string, CodecOptions])[] = CODEC_NAMES.map((codec) => [codec, { codec }])

test('CRC-32C: the check value of the polynomial, and of pieces', () => {
  const digits = new TextEncoder().encode('123456789')
  expect(crc32c(digits)).toBe(0xe3069283)
  expect(crc32c(digits.subarray(4), crc32c(digits.subarray(0, 4)))).toBe(0xe3069283)
  // RFC 3720, B.4
  expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa)
  expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43)
})

describe('layout', () => {
  test('by name, whatever the order of the map', () => {
    expect(LAYOUT.tensors.map(({ name, start, size }) => [name, start, size])).toEqual([
      ['layers.0.a', 0, 1024],
      ['layers.1.b', 1024, 1600],
      ['norm', 2624, 64],
    ])
    expect(updateLayout(new Map<string, { readonly shape: readonly number[] }>(SHAPES.toReversed()))).toEqual(
      LAYOUT,
    )
  })
  test('nothing to send is refused', () => {
    expect(thrownBy(() => updateLayout(new Map()))).toEqual([
      'E_VALUE',
      'there is nothing to send: no tensors',
    ])
    expect(thrownBy(() => updateLayout(new Map([['w', { shape: [0, 4] }]])))[1]).toBe('the tensor w is empty')
  })
})

describe.each(CODECS)('%s', (_, options) => {
  const codec = updateCodec(LAYOUT, options, 5)
  const message = codec.encode(update(), { round: 7, worker: 3, isLast: true })
  test('says who, when and what', () => {
    expect(message).toHaveLength(codec.bytes)
    const { worker, isLast, update: arrived } = codec.decode(message, 7)
    expect([worker, isLast]).toEqual([3, true])
    expect(keptShare(update(), arrived)).toBeGreaterThan(0.02)
    expect(codec.decode(codec.encode(update(), { round: 8, worker: 0 }), 8).isLast).toBe(false)
  })
  test('the same bytes again, from wherever they lie in a buffer', () => {
    const again = updateCodec(LAYOUT, options, 5)
    expect(again.encode(update(), { round: 7, worker: 3, isLast: true })).toEqual(message)
    const shifted = new Uint8Array(message.length + 5)
    shifted.set(message, 5)
    expect(again.decode(shifted.subarray(5), 7)).toEqual(codec.decode(message, 7))
  })
  test('any byte that has changed is seen', () => {
    const random = createRandom(9)
    for (let n = 0; n < 60; n++) {
      const at = n < 36 ? n : random.int(message.length)
      const flipped = message.with(at, message[at] ^ (1 << random.int(8)))
      expect(thrownBy(() => codec.decode(flipped, 7))[0]).toBe('E_FORMAT')
    }
  })
  test('so is a message that is cut off or goes on', () => {
    for (const length of [0, 3, 31, 32, 40, message.length - 1])
      expect(thrownBy(() => codec.decode(message.subarray(0, length), 7))[0]).toBe('E_FORMAT')
    const longer = new Uint8Array(message.length + 4)
    longer.set(message)
    expect(thrownBy(() => codec.decode(longer, 7))[0]).toBe('E_FORMAT')
  })
  test('whatever is under a right checksum is read or refused, and what is read is finite', () => {
    const random = createRandom(11)
    for (let n = 0; n < 60; n++) {
      const bytes = message.slice()
      for (let i = 0; i < 4; i++) bytes[32 + random.int(bytes.length - 32)] = random.int(256)
      const forged = seal(bytes)
      try {
        expect(codec.decode(forged, 7).update.every(Number.isFinite)).toBe(true)
      } catch (error) {
        expect(error instanceof TrituneError && error.code).toBe('E_FORMAT')
      }
    }
  })
  test('another round, seed, codec, set of tensors or of settings is said', () => {
    const wrong = (other: CodecOptions, seed = 5, round = 7): string =>
      thrownBy(() => updateCodec(LAYOUT, other, seed).decode(message, round)).join(' ')
    expect(wrong(options, 5, 8)).toBe('E_VALUE the message of worker 3 has round 7, expected 8')
    expect(wrong(options, 6)).toBe('E_VALUE the message of worker 3 has seed 5, expected 6')
    const other = options.codec === 'int8' ? 'bf16' : 'int8'
    expect(wrong({ codec: other })).toBe(
      `E_VALUE the message of worker 3 has codec ${options.codec}, expected ${other}`,
    )
    const renamed = updateLayout(new Map(LAYOUT.tensors.map(({ name, shape }) => [`${name}x`, { shape }])))
    expect(thrownBy(() => updateCodec(renamed, options, 5).decode(message, 7))[1]).toContain(
      'hash of tensors',
    )
  })
  test('a number that is not finite is told with its tensor', () => {
    const broken = update().with(1024 + 3, Infinity)
    try {
      codec.encode(broken, { round: 0, worker: 0 })
      expect.unreachable()
    } catch (error) {
      expect(String(error)).toContain('tensor layers.1.b: number 3 of the gradient is Infinity')
    }
    expect(thrownBy(() => codec.encode(new Float32Array(3), { round: 0, worker: 0 }))[0]).toBe('E_SHAPE')
  })
})

test('settings that are not in the header are in the hash', () => {
  const message = updateCodec(LAYOUT, { codec: 'topk-sign', ratio: 0.1 }).encode(update(), {
    round: 0,
    worker: 0,
  })
  const other = updateCodec(LAYOUT, { codec: 'topk-sign', ratio: 0.2 })
  expect(thrownBy(() => other.decode(message, 0))[1]).toContain('hash of tensors and settings')
})

test('the header is where it is described', () => {
  const message = updateCodec(LAYOUT, { codec: 'vsa', ratio: 0.5, block: 256 }, 2 ** 40 + 1).encode(
    update(),
    {
      round: 258,
      worker: 2,
    },
  )
  const view = new DataView(message.buffer)
  expect(new TextDecoder().decode(message.subarray(0, 4))).toBe('TTGC')
  expect([...message.subarray(4, 8)]).toEqual([1, 7, 3, 8])
  expect([view.getUint32(8, true), view.getUint16(12, true), view.getUint16(14, true)]).toEqual([258, 2, 3])
  expect(view.getBigUint64(16, true)).toBe(2n ** 40n + 1n)
  expect([view.getUint32(32, true), view.getUint32(36, true)]).toEqual([0, 4 * (26 + 2)])
})

test('messages of version 1 stay as they are: their bytes, and what they say', () => {
  const layout = updateLayout(
    new Map<string, { readonly shape: readonly number[] }>([
      ['w', { shape: [64, 96] }],
      ['v', { shape: [300] }],
    ]),
  )
  let state = 1
  const numbers = Float32Array.from({ length: layout.length }, () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31
    return (state / 2 ** 31 - 0.5) ** 3
  })
  const hashes = CODEC_NAMES.map((name) => {
    const codec = updateCodec(layout, { codec: name }, 7)
    const message = codec.encode(numbers, { round: 3, worker: 1 })
    const { buffer } = codec.decode(message, 3).update
    return [name, crc32c(message).toString(16), crc32c(new Uint8Array(buffer)).toString(16)].join(' ')
  })
  expect(hashes).toEqual([
    'dense 51ad229c 33430aec',
    'bf16 c9ffaead 1f65bb31',
    'int8 749dc8af 3c32e9a8',
    'int4 674cfbcb 2eeefc35',
    'ternary e1e47fb0 6aac3b76',
    'topk-sign b0506b8e 2e544b95',
    'powersgd 3a4642f8 5d7a2d4a',
    'vsa 50b7d1eb f726b621',
  ])
})
