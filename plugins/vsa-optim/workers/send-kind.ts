/**
 * What of an update a round sends, and the codec of that.
 */
import type { CodecOptions } from '../codecs/create-compressor.ts'
import { updateCodec, type UpdateCodec } from '../wire/update-codec.ts'
import type { UpdateLayout } from '../wire/update-layout.ts'

/** `compressed`: by the codec. `dense`: all of it in bf16 (in f32 where the codec is dense), and little is left to send. `last`: dense, and nothing comes after it. */
export type SendKind = 'compressed' | 'dense' | 'last'

/** The codec of each kind of message. Throws what `updateCodec` does. */
export function codecsOf(
  layout: UpdateLayout,
  { codec, block, ratio, rank, seed = 0 }: CodecOptions & { readonly seed?: number },
): (kind: SendKind) => UpdateCodec {
  const compressed = updateCodec(layout, { codec, block, ratio, rank }, seed)
  const dense = codec === 'dense' ? compressed : updateCodec(layout, { codec: 'bf16' }, seed)
  return (kind) => (kind === 'compressed' ? compressed : dense)
}
