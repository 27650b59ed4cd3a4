/**
 * Compressors by the name of their codec, for a tensor of some shape: what files and benchmarks ask for.
 */
import { type Shape, TrituneError } from '../../../core/mod.ts'
import { expectKnown } from '../../../core/tensor/expect.ts'
import type { GradientCompressor } from './compressor.ts'
import { denseCompressor } from './dense-compressor.ts'
import type { CodecName } from './gradient-message.ts'
import { integerCompressor } from './integer-compressor.ts'
import { powersgdCompressor } from './powersgd-compressor.ts'
import { ternaryCompressor } from './ternary-compressor.ts'
import { topkSignCompressor } from './topk-sign-compressor.ts'
import { vsaCompressor } from './vsa-compressor.ts'

/** A codec and what it can be told; an option that a codec has not is refused. */
export interface CodecOptions {
  readonly codec: CodecName
  /** Elements that share a scale: `int8`, `int4`, `ternary`, `topk-sign`, `vsa`. */
  readonly block?: number
  /** The part that is sent: `topk-sign`, `vsa`. */
  readonly ratio?: number
  /** `powersgd`. */
  readonly rank?: number
}

/** All codecs, in the order of their numbers on the wire. */
export const CODEC_NAMES: readonly CodecName[] = [
  'dense',
  'bf16',
  'int8',
  'int4',
  'ternary',
  'topk-sign',
  'powersgd',
  'vsa',
]

/**
 * A compressor for tensors of this shape. Of `powersgd`, tensors of one axis are sent dense. Throws E_VALUE for a codec that is not there, an option
 * that it has not or one out of its range.
 *
 * @example
 * ```ts
 * import { CODEC_NAMES, createCompressor } from 'tritune/plugins/vsa-optim'
 *
 * const bytes = CODEC_NAMES.map((codec) => `${codec} ${createCompressor({ codec }, [64, 128]).bytesOf(64 * 128)}`)
 * console.log(bytes.join(', '))
 * // → dense 32768, bf16 16384, int8 8196, int4 4160, ternary 1644, topk-sign 340, powersgd 768, vsa 1644
 * ```
 */
export function createCompressor(
  { codec, ...options }: CodecOptions,
  shape: Shape,
  seed = 0,
): GradientCompressor {
  expectKnown('createCompressor', 'codec', codec, CODECS)
  const { takes, make } = CODECS[codec]
  for (const [name, value] of Object.entries(options))
    if (value !== undefined && !takes.some((one) => one === name))
      throw new TrituneError('E_VALUE', `${codec} has no ${name}`, {
        remedy: takes.length === 0 ? 'it has no options' : `it has ${takes.join(' and ')}`,
      })
  return make(options, shape, seed)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

type Options = Omit<CodecOptions, 'codec'>

interface Codec {
  readonly takes: readonly (keyof Options)[]
  make(options: Options, shape: Shape, seed: number): GradientCompressor
}

const CODECS: Readonly<Record<CodecName, Codec>> = {
  dense: { takes: [], make: () => denseCompressor('f32') },
  bf16: { takes: [], make: () => denseCompressor('bf16') },
  int8: { takes: ['block'], make: ({ block }) => integerCompressor({ bits: 8, block }) },
  int4: { takes: ['block'], make: ({ block }) => integerCompressor({ bits: 4, block }) },
  ternary: { takes: ['block'], make: ({ block }, _, seed) => ternaryCompressor({ block, seed }) },
  'topk-sign': {
    takes: ['block', 'ratio'],
    make: ({ block, ratio }) => topkSignCompressor({ block, ratio }),
  },
  powersgd: {
    takes: ['rank'],
    make: ({ rank }, shape, seed) =>
      shape.length === 2 ? powersgdCompressor(shape, { rank, seed }) : denseCompressor('f32'),
  },
  vsa: {
    takes: ['block', 'ratio'],
    make: ({ block, ratio }, _, seed) => vsaCompressor({ block, ratio, seed }),
  },
}
