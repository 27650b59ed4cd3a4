/**
 * GradientCompressor: what sends a gradient in fewer bytes, and how one is made of a coding. What a message does not say is for error feedback
 * (workers/error-feedback.ts): nothing here remembers anything.
 */
import { expectInteger } from '../../../core/tensor/expect.ts'
import { TrituneError } from '../../../core/mod.ts'
import { bitsOf, MAGNITUDE } from './float-bits.ts'
import { type CodecSettings, expectMessage, type GradientMessage } from './gradient-message.ts'

/** Gradients to messages and back. Holds nothing between calls: the same gradient and round give the same message on every machine. */
export interface GradientCompressor extends CodecSettings {
  /** Of a message for so many numbers. */
  bytesOf(length: number): number
  /** Throws E_SHAPE for no numbers, E_NAN for one that is not finite. Rounds count from 0; which part is sent and how it is rounded may depend on it. */
  compress(gradient: Float32Array, round?: number): GradientMessage
  /** Throws E_VALUE for a message of other settings, E_SHAPE and E_FORMAT for a damaged one. */
  decompress(message: GradientMessage): Float32Array<ArrayBuffer>
  /** The payload of `compress()`, into zeros of `bytesOf()`: of a longer message a part. */
  write(gradient: Float32Array, into: Uint8Array, round: number): void
  /** What `decompress()` finds in a payload of `bytesOf()`, over whatever is in `into`. Throws E_FORMAT for a damaged one. */
  read(payload: Uint8Array, into: Float32Array, round: number): void
}

/** The bytes of a codec. */
export interface Coding {
  readonly settings: CodecSettings
  bytesOf(length: number): number
  /** The numbers are finite, `into` is of the right size and zeros. */
  encode(gradient: Float32Array, into: Uint8Array, round: number): void
  /**
   * `from` is of the right size; all of `into` is overwritten. E_FORMAT for bytes that `encode` never writes. true: the numbers are finite; false: that is to be
   * seen, and those that are not are refused.
   */
  decode(from: Uint8Array, into: Float32Array, round: number): boolean
}

/** A compressor out of its coding: what all of them check. */
export function compressorOf({ settings, bytesOf, encode, decode }: Coding): GradientCompressor {
  const { codec } = settings
  const write = (gradient: Float32Array, into: Uint8Array, round: number): void => {
    expectInteger(codec, 'round', round)
    expectFinite(gradient)
    encode(gradient, into, round)
  }
  const read = (payload: Uint8Array, into: Float32Array, round: number): void => {
    const bad = decode(payload, into, round) ? -1 : firstNotFinite(into)
    if (bad >= 0) throw new TrituneError('E_FORMAT', `${codec}: number ${bad} is ${into[bad]}`)
  }
  return {
    ...settings,
    bytesOf,
    write,
    read,
    compress(gradient, round = 0) {
      const payload = new Uint8Array(bytesOf(gradient.length))
      write(gradient, payload, round)
      return { ...settings, length: gradient.length, round, payload, bytes: payload.length }
    },
    decompress(message) {
      expectInteger(codec, 'length', message.length, { min: 1 })
      expectMessage(message, settings, bytesOf(message.length))
      const gradient = new Float32Array(message.length)
      read(message.payload, gradient, message.round)
      return gradient
    },
  }
}

/** Throws E_SHAPE for no numbers, E_NAN for one that is not finite. */
export function expectFinite(gradient: Float32Array): void {
  if (!(gradient instanceof Float32Array) || gradient.length === 0)
    throw new TrituneError('E_SHAPE', 'a gradient is a Float32Array with at least one number')
  const bad = firstNotFinite(gradient)
  if (bad >= 0) throw new TrituneError('E_NAN', `number ${bad} of the gradient is ${gradient[bad]}`)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** −1: all are. */
function firstNotFinite(gradient: Float32Array): number {
  const bits = bitsOf(gradient)
  // An exponent of ones, and one more, is carried into the sign.
  let seen = 0
  let i = 0
  for (; i + 4 <= bits.length; i += 4)
    seen |=
      ((bits[i] & MAGNITUDE) + ONE) |
      ((bits[i + 1] & MAGNITUDE) + ONE) |
      ((bits[i + 2] & MAGNITUDE) + ONE) |
      ((bits[i + 3] & MAGNITUDE) + ONE)
  for (; i < bits.length; i++) seen |= (bits[i] & MAGNITUDE) + ONE
  return seen < 0 ? gradient.findIndex((value) => !Number.isFinite(value)) : -1
}

/** The lowest bit of the exponent of an f32. */
const ONE = 0x00800000
