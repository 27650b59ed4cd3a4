/**
 * GradientMessage: a compressed gradient, and the checks before one is read. Trits five to a byte in base 3, a scale for each block.
 */
import { expectInteger } from '../../core/tensor/expect.ts'
import { TrituneError } from '../../core/mod.ts'

/** What both ends must agree on. */
export interface CodecSettings {
  readonly codec: 'ternary' | 'vsa'
  readonly seed: number
  /** Elements that share a scale, a power of two. */
  readonly block: number
  /** The part of each block that a message holds. */
  readonly ratio: number
}

/** A gradient of `length` elements as a compressor sends it. */
export interface GradientMessage extends CodecSettings {
  readonly length: number
  readonly round: number
  /** −1, 0, 1 as digits 0, 1, 2 in base 3, the first the lowest: five a byte, so 0 … 242. */
  readonly trits: Uint8Array
  /** f32, one a block. */
  readonly scales: Float32Array
  /** Of trits and scales. */
  readonly bytes: number
}

const PER_BYTE = 5
const LARGEST_BYTE = 3 ** PER_BYTE - 1

/** Trits five to a byte; the places behind the last are 0. */
export function packBase3(trits: Int8Array): Uint8Array {
  const bytes = new Uint8Array(Math.ceil(trits.length / PER_BYTE)).fill((LARGEST_BYTE / 2) | 0)
  let digit = 1
  for (const [i, trit] of trits.entries()) {
    bytes[Math.floor(i / PER_BYTE)] += trit * digit
    digit = i % PER_BYTE === PER_BYTE - 1 ? 1 : digit * 3
  }
  return bytes
}

/** The first `count` trits. Throws E_FORMAT for a byte that is no five trits. */
export function unpackBase3(bytes: Uint8Array, count: number): Int8Array {
  const bad = bytes.findIndex((byte) => byte > LARGEST_BYTE)
  if (bad >= 0)
    throw new TrituneError('E_FORMAT', `byte ${bad} of the trits is ${bytes[bad]}; five trits are 0 … 242`)
  const trits = new Int8Array(count)
  let rest = 0
  for (let i = 0; i < count; i++) {
    if (i % PER_BYTE === 0) rest = bytes[i / PER_BYTE]
    trits[i] = (rest % 3) - 1
    rest = Math.floor(rest / 3)
  }
  return trits
}

/** Throws E_VALUE where a message is not of these settings, E_SHAPE where its parts do not fit its length. */
export function expectMessage(
  message: GradientMessage,
  settings: CodecSettings,
  sizes: { readonly trits: number; readonly blocks: number },
): void {
  for (const name of ['codec', 'seed', 'block', 'ratio'] as const) {
    if (message[name] !== settings[name])
      throw new TrituneError(
        'E_VALUE',
        `the message has ${name} ${message[name]}, this compressor has ${settings[name]}`,
        { remedy: 'both ends are made with the same settings' },
      )
  }
  expectInteger('decompress', 'round', message.round)
  const { trits, scales, length } = message
  const bytes = Math.ceil(sizes.trits / PER_BYTE)
  if (trits.length !== bytes || scales.length !== sizes.blocks)
    throw new TrituneError(
      'E_SHAPE',
      `a message for ${length} numbers has ${bytes} bytes of trits and ${sizes.blocks} scales, this one ${trits.length} and ${scales.length}`,
    )
  const bad = scales.findIndex((scale) => !Number.isFinite(scale))
  if (bad >= 0) throw new TrituneError('E_NAN', `scale ${bad} of the message is ${scales[bad]}`)
}
