/**
 * ggml's TQ1_0 and TQ2_0: blocks of 256 trits with one f16 scale. The arithmetic is plugins/gguf's; here is what makes bytes illegal,
 * which a decoder of numbers has no word for.
 */
import { dequantize, ggmlType, quantize } from '../../gguf/mod.ts'
import { TrituneError } from '../../../core/mod.ts'
import {
  expectBytes,
  expectTrits,
  expectTritShape,
  illegalByte,
  type TritCodec,
  type TritShape,
} from './trit-codec.ts'

/** Trits that share a scale. */
const BLOCK = 256

/** Whether five digits (four, with a last one of 0) give this byte; index 5 and 4. */
const FRACTIONS: Readonly<Record<number, readonly boolean[]>> = { 5: fractions(243, 1), 4: fractions(81, 3) }

function fractions(count: number, step: number): boolean[] {
  const legal = Array.from({ length: 256 }, () => false)
  for (let n = 0; n < count; n++) legal[Math.floor((n * step * 256 + 242) / 243)] = true
  return legal
}

export const tq1Codec: TritCodec = ggmlCodec('TQ1_0', (byte, at) => {
  // 48 bytes of five digits, 4 of four, the scale.
  if (at >= 52) return null
  const digits = at < 48 ? 5 : 4
  return FRACTIONS[digits][byte] ? null : `no ${digits} digits to base 3 give it`
})

export const tq2Codec: TritCodec = ggmlCodec('TQ2_0', (byte, at) => {
  if (at >= 64) return null
  for (let digit = 0; digit < 4; digit++)
    if (((byte >> (2 * digit)) & 3) === 3) return `its digit ${digit} is 11, which is no trit`
  return null
})

/** `wrong` says what is wrong with a byte of a block. */
function ggmlCodec(name: string, wrong: (byte: number, at: number) => string | null): TritCodec {
  const { blockBytes } = ggmlType(name)
  const blocksOf = (shape: TritShape): number => {
    expectTritShape(name, shape)
    if (shape.cols % BLOCK !== 0)
      throw new TrituneError(
        'E_SHAPE',
        `${name}: rows are blocks of ${BLOCK} trits, got ${shape.cols} columns`,
      )
    return (shape.rows * shape.cols) / BLOCK
  }
  return {
    bytes: (shape) => blocksOf(shape) * blockBytes,
    encode(trits, shape, scales) {
      const blocks = blocksOf(shape)
      const checked = expectTrits(name, trits, shape)
      if (scales !== undefined && scales.length !== blocks)
        throw new TrituneError(
          'E_SHAPE',
          `${name}: ${blocks} blocks have as many scales, got ${scales.length}`,
        )
      const values = Float32Array.from(
        checked,
        (trit, i) => trit * scaleAt(name, scales, Math.floor(i / BLOCK)),
      )
      return quantize(ggmlType(name), values, name)
    },
    decode(bytes, shape, { place } = {}) {
      const blocks = blocksOf(shape)
      expectBytes(name, bytes, blocks * blockBytes, place)
      for (let byte = 0; byte < bytes.length; byte++) {
        const why = wrong(bytes[byte], byte % blockBytes)
        if (why !== null) throw illegalByte(name, byte, bytes[byte], why, place)
      }
      const values = new Float32Array(shape.rows * shape.cols)
      dequantize(ggmlType(name), bytes, values, place ?? name)
      const scales = new Float32Array(blocks)
      for (let i = 0; i < values.length; i++) {
        const block = Math.floor(i / BLOCK)
        if (!Number.isFinite(values[i]))
          throw badScale(name, block, (block + 1) * blockBytes - 2, bytes, place)
        scales[block] = Math.max(scales[block], Math.abs(values[i]))
      }
      return { trits: Int8Array.from(values, Math.sign), scales }
    },
  }
}

function scaleAt(name: string, scales: ArrayLike<number> | undefined, block: number): number {
  if (scales === undefined) return 1
  const scale = scales[block]
  if (scale > 0 && scale <= 65504) return scale
  throw new TrituneError(
    'E_VALUE',
    `${name}: scale ${block} is ${String(scale)}, a scale is above 0 and an f16`,
  )
}

function badScale(
  name: string,
  block: number,
  byte: number,
  bytes: Uint8Array,
  place: string | undefined,
): TrituneError {
  return illegalByte(name, byte, bytes[byte], `the scale of block ${block} is no finite number`, place)
}
