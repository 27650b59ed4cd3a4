/**
 * GradientCompressor: what sends a gradient in fewer bytes, and how one is made of a coding. What a message does not say is for error feedback
 * (workers/error-feedback.ts): nothing here remembers anything.
 */
import { expectInteger } from '../../../core/tensor/expect.ts'
import { TrituneError } from '../../../core/mod.ts'
import { type CodecSettings, expectMessage, type GradientMessage } from './gradient-message.ts'

/** Gradients to messages and back. Holds nothing between calls: the same gradient and round give the same message on every machine. */
export interface GradientCompressor extends CodecSettings {
  /** Of a message for so many numbers. */
  bytesOf(length: number): number
  /** Throws E_SHAPE for no numbers, E_NAN for one that is not finite. Rounds count from 0; which part is sent and how it is rounded may depend on it. */
  compress(gradient: Float32Array, round?: number): GradientMessage
  /** Throws E_VALUE for a message of other settings, E_SHAPE and E_FORMAT for a damaged one. */
  decompress(message: GradientMessage): Float32Array<ArrayBuffer>
}

/** The bytes of a codec. */
export interface Coding {
  readonly settings: CodecSettings
  bytesOf(length: number): number
  /** The numbers are finite, `into` is of the right size and zeros. */
  encode(gradient: Float32Array, into: Uint8Array, round: number): void
  /** `from` is of the right size; E_FORMAT for bytes that `encode` never writes. Numbers that are not finite are refused afterwards. */
  decode(from: Uint8Array, into: Float32Array, round: number): void
}

/** A compressor out of its coding: what all of them check. */
export function compressorOf({ settings, bytesOf, encode, decode }: Coding): GradientCompressor {
  const { codec } = settings
  return {
    ...settings,
    bytesOf,
    compress(gradient, round = 0) {
      expectInteger(codec, 'round', round)
      expectFinite(gradient)
      const payload = new Uint8Array(bytesOf(gradient.length))
      encode(gradient, payload, round)
      return { ...settings, length: gradient.length, round, payload, bytes: payload.length }
    },
    decompress(message) {
      expectInteger(codec, 'length', message.length, { min: 1 })
      expectMessage(message, settings, bytesOf(message.length))
      const gradient = new Float32Array(message.length)
      decode(message.payload, gradient, message.round)
      const bad = gradient.findIndex((value) => !Number.isFinite(value))
      if (bad >= 0) throw new TrituneError('E_FORMAT', `${codec}: number ${bad} is ${gradient[bad]}`)
      return gradient
    },
  }
}

/** Throws E_SHAPE for no numbers, E_NAN for one that is not finite. */
export function expectFinite(gradient: Float32Array): void {
  if (!(gradient instanceof Float32Array) || gradient.length === 0)
    throw new TrituneError('E_SHAPE', 'a gradient is a Float32Array with at least one number')
  const bad = gradient.findIndex((value) => !Number.isFinite(value))
  if (bad >= 0) throw new TrituneError('E_NAN', `number ${bad} of the gradient is ${gradient[bad]}`)
}
