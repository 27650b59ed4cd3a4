/**
 * Bit planes as bytes: for each row the words of +1, then those of −1, little-endian; what a file of planes or an i32 tensor
 * (rows, 2, words) holds.
 */
import { packedTrits } from '../vectors/packed-trits.ts'
import { tailMask, wordsOf } from '../vectors/planes.ts'
import {
  expectBytes,
  expectTrits,
  expectTritShape,
  illegalByte,
  type TritCodec,
  type TritShape,
} from './trit-codec.ts'

const NAME = 'planes'

export const planesCodec: TritCodec = {
  bytes: sizeOf,
  encode(trits, shape) {
    const words = wordsOf(shape.cols)
    const out = new Uint32Array(sizeOf(shape) / 4)
    const checked = expectTrits(NAME, trits, shape)
    for (let row = 0; row < shape.rows; row++) {
      const { plus, minus } = packedTrits.fromArray(
        checked.subarray(row * shape.cols, (row + 1) * shape.cols),
      )
      out.set(plus, 2 * row * words)
      out.set(minus, (2 * row + 1) * words)
    }
    return new Uint8Array(out.buffer)
  },
  decode(bytes, shape, { place } = {}) {
    const { rows, cols } = shape
    expectBytes(NAME, bytes, sizeOf(shape), place)
    const all = new Uint32Array(bytes.slice().buffer)
    const words = wordsOf(cols)
    const trits = new Int8Array(rows * cols)
    for (let row = 0; row < rows; row++) {
      const at = 2 * row * words
      const [plus, minus] = [all.subarray(at, at + words), all.subarray(at + words, at + 2 * words)]
      expectRow({ plus, minus, cols, at, bytes, place })
      trits.set(packedTrits.toArray({ kind: 'packed', dims: cols, plus, minus }), row * cols)
    }
    return { trits, scales: null }
  },
}

function sizeOf(shape: TritShape): number {
  expectTritShape(NAME, shape)
  return shape.rows * 2 * wordsOf(shape.cols) * 4
}

interface Row {
  readonly plus: Uint32Array
  readonly minus: Uint32Array
  readonly cols: number
  /** Word of the row's first. */
  readonly at: number
  readonly bytes: Uint8Array
  readonly place: string | undefined
}

function expectRow({ plus, minus, cols, at, bytes, place }: Row): void {
  const words = plus.length
  const error = (word: number, bits: number, why: string): Error => {
    const bit = 31 - Math.clz32(bits & -bits)
    const byte = 4 * word + (bit >> 3)
    return illegalByte(NAME, byte, bytes[byte], why, place)
  }
  for (let w = 0; w < words; w++) {
    const both = plus[w] & minus[w]
    if (both !== 0)
      throw error(at + w, both, 'it has bits that are set in both planes (11), which are no trit')
  }
  for (const [plane, first] of [
    [plus, at],
    [minus, at + words],
  ] as const) {
    const past = plane[words - 1] & ~tailMask(cols)
    if (past !== 0) throw error(first + words - 1, past, `it has bits past the ${cols} columns`)
  }
}
