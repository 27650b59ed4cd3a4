/**
 * What a token adds to a text, in bytes.
 */
import { TrituneError } from '../../core/mod.ts'
import { unspellBytes } from './byte-level.ts'
import { type Decoder, isByteToken } from './decoders.ts'

/** Of a token behind others. Throws E_TOKENIZER where later tokens change earlier ones. */
export function tokenBytes(decoder: Decoder, token: string, place: string): Uint8Array {
  switch (decoder.lookahead) {
    case 'half characters':
      return unspellBytes(token)
    case 'byte tokens':
      if (isByteToken(token)) return Uint8Array.of(Number.parseInt(token.slice(3, 5), 16))
      break
    case 'none':
      break
    case 'all':
      throw new TrituneError(
        'E_TOKENIZER',
        'its tokens have no bytes of their own: they change what stands before them',
        { place },
      )
  }
  // The first token of a text can lose its space.
  const text = decoder.chain([BEFORE, token]).join('')
  return new TextEncoder().encode(text.slice(BEFORE.length))
}

const BEFORE = 'a'
