/**
 * Packings whose bytes are digits of one base: 2 bits a trit, and base 3. They differ in what a trit's digit is and in which trit a
 * digit belongs to.
 */
import {
  type DecodedTrits,
  expectBytes,
  expectTrits,
  expectTritShape,
  illegalByte,
  type TritCodec,
  type TritShape,
} from './trit-codec.ts'

/** Where the digits of a byte belong. */
interface Layout {
  bytes(shape: TritShape): number
  /** The trit of a digit in row-major order; −1: none, the digit is 0. */
  indexOf(byte: number, digit: number, shape: TritShape): number
}

interface Digits {
  readonly name: string
  readonly base: 3 | 4
  /** Digits in a byte. */
  readonly count: number
  /** Digits of −1, 0 and 1. */
  readonly codes: readonly [number, number, number]
  readonly layout: Layout
}

/** Every row starts with a byte of its own; what is left of its last byte is 0. */
export function rowsOf(count: number): Layout {
  return {
    bytes: ({ rows, cols }) => rows * Math.ceil(cols / count),
    indexOf(byte, digit, { cols }) {
      const width = Math.ceil(cols / count)
      const col = (byte % width) * count + digit
      return col < cols ? Math.floor(byte / width) * cols + col : -1
    },
  }
}

export function digitCodec({ name, base, count, codes, layout }: Digits): TritCodec {
  const tritOf = Int8Array.from({ length: base }, (_, digit) => codes.indexOf(digit) - 1)
  const isCode = Array.from({ length: base }, (_, digit) => codes.includes(digit))
  const sizeOf = (shape: TritShape): number => {
    expectTritShape(name, shape)
    return layout.bytes(shape)
  }
  return {
    bytes: sizeOf,
    encode(trits, shape) {
      const bytes = new Uint8Array(sizeOf(shape))
      const checked = expectTrits(name, trits, shape)
      for (let byte = 0; byte < bytes.length; byte++) {
        let value = 0
        for (let digit = count - 1; digit >= 0; digit--) {
          const i = layout.indexOf(byte, digit, shape)
          value = value * base + (i === -1 ? 0 : codes[checked[i] + 1])
        }
        bytes[byte] = value
      }
      return bytes
    },
    decode(bytes, shape, { place } = {}): DecodedTrits {
      expectBytes(name, bytes, sizeOf(shape), place)
      const trits = new Int8Array(shape.rows * shape.cols)
      for (let byte = 0; byte < bytes.length; byte++) {
        let rest = bytes[byte]
        for (let digit = 0; digit < count; digit++) {
          const code = rest % base
          rest = (rest - code) / base
          const i = layout.indexOf(byte, digit, shape)
          if (i === -1 ? code !== 0 : !isCode[code])
            throw illegalByte(name, byte, bytes[byte], wrongDigit(digit, code, base, i), place)
          if (i !== -1) trits[i] = tritOf[code]
        }
        if (rest !== 0)
          throw illegalByte(
            name,
            byte,
            bytes[byte],
            `${count} digits to base ${base} are at most ${base ** count - 1}`,
            place,
          )
      }
      return { trits, scales: null }
    },
  }
}

function wrongDigit(digit: number, code: number, base: number, i: number): string {
  const shown = base === 4 ? code.toString(2).padStart(2, '0') : String(code)
  return i === -1
    ? `its digit ${digit} is past the row and must be 0`
    : `its digit ${digit} is ${shown}, which is no trit (trit ${i})`
}
