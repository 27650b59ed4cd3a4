/**
 * GradientMessage: a compressed gradient, and the checks before one is read. Trits in `base3` of plugins/ternary, a scale for each block.
 */
import { expectInteger } from '../../core/tensor/expect.ts'
import { TrituneError } from '../../core/mod.ts'
import { tritCodecs } from '../ternary/mod.ts'

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
  const bytes = tritCodecs.base3.bytes({ rows: 1, cols: sizes.trits })
  if (trits.length !== bytes || scales.length !== sizes.blocks)
    throw new TrituneError(
      'E_SHAPE',
      `a message for ${length} numbers has ${bytes} bytes of trits and ${sizes.blocks} scales, this one ${trits.length} and ${scales.length}`,
    )
  const bad = scales.findIndex((scale) => !Number.isFinite(scale))
  if (bad >= 0) throw new TrituneError('E_NAN', `scale ${bad} of the message is ${scales[bad]}`)
}
