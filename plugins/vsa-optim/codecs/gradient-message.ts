/**
 * GradientMessage: a compressed gradient, and the checks before one is read. What its bytes are is of the codec; how messages of a whole model
 * travel is wire/ttgc.ts.
 */
import { expectInteger } from '../../../core/tensor/expect.ts'
import { TrituneError } from '../../../core/mod.ts'

/** The ways in which numbers are sent. */
export type CodecName = 'dense' | 'bf16' | 'int8' | 'int4' | 'ternary' | 'topk-sign' | 'powersgd' | 'vsa'

/** What both ends must agree on. */
export interface CodecSettings {
  readonly codec: CodecName
  readonly seed: number
  /** Elements that share a scale, a power of two; 1 where nothing is shared. */
  readonly block: number
  /** The part of each block that a message holds. */
  readonly ratio: number
  /** Of the factors of `powersgd`; 0 of all others. */
  readonly rank: number
}

/** A gradient of `length` elements as a compressor sends it. */
export interface GradientMessage extends CodecSettings {
  readonly length: number
  readonly round: number
  /** Of most codecs block by block: a bf16 scale, then what the numbers are of it. Little-endian. */
  readonly payload: Uint8Array
  /** Of the payload. */
  readonly bytes: number
}

/** Throws E_VALUE where a message is not of these settings, E_SHAPE where its bytes do not fit its length. */
export function expectMessage(message: GradientMessage, settings: CodecSettings, bytes: number): void {
  for (const name of ['codec', 'seed', 'block', 'ratio', 'rank'] as const) {
    if (message[name] !== settings[name])
      throw new TrituneError(
        'E_VALUE',
        `the message has ${name} ${message[name]}, this compressor has ${settings[name]}`,
        { remedy: 'both ends are made with the same settings' },
      )
  }
  expectInteger('decompress', 'round', message.round)
  const { payload, length } = message
  if (payload.length !== bytes)
    throw new TrituneError(
      'E_SHAPE',
      `a message for ${length} numbers has ${bytes} bytes, this one ${payload.length}`,
    )
}
