/**
 * Text from tokens that arrive one by one. Text is given as soon as no later token can change it, so that the pieces
 * joined are the text of all tokens; how far that is depends on the decoder.
 */
import { unspellBytes } from './byte-level.ts'
import { type Decoder, isByteToken } from './decoders.ts'

/** Text from tokens that arrive one by one; the pieces joined are the text of all tokens. */
export interface DecodeStream {
  /** The text that became certain with this token; often empty in the middle of a character. */
  push(id: number): string
  /** What is left at the end: broken bytes come as U+FFFD, as in a decode of all ids. */
  end(): string
}

/** `spellingOf` gives undefined for ids that are left out. */
export function createDecodeStream(
  decoder: Decoder,
  spellingOf: (id: number) => string | undefined,
): DecodeStream {
  const { push, end } = STREAMS[decoder.lookahead](decoder)
  return {
    push(id) {
      const token = spellingOf(id)
      return token === undefined ? '' : push(token)
    },
    end,
  }
}

interface TokenStream {
  push(token: string): string
  end(): string
}

const STREAMS: Readonly<Record<Decoder['lookahead'], (decoder: Decoder) => TokenStream>> = {
  none: (decoder) => byWindow(decoder, () => false),
  'byte tokens': (decoder) => byWindow(decoder, isByteToken),
  'half characters': byBytes,
  all: atTheEnd,
}

/** The text of a token may depend on the ones before it, so a short window is decoded again at each step. */
function byWindow(decoder: Decoder, waits: (token: string) => boolean): TokenStream {
  const decode = (tokens: readonly string[]): string => decoder.chain(tokens).join('')
  /** Tokens whose text was given, kept as context, and that text; then tokens whose text was not given. */
  let context: string[] = []
  let before = ''
  let pending: string[] = []

  function fresh(): string {
    const text = decode([...context, ...pending]).slice(before.length)
    const alone = decode(pending)
    // Context without text would not show what happens at the very start only.
    if (alone === '') {
      context = [...context, ...pending]
      before += text
    } else {
      context = pending
      before = alone
    }
    pending = []
    return text
  }
  return {
    push(token) {
      pending.push(token)
      return waits(token) ? '' : fresh()
    },
    end() {
      const rest = pending.length === 0 ? '' : fresh()
      context = []
      before = ''
      return rest
    },
  }
}

function byBytes(): TokenStream {
  const create = (): TextDecoder => new TextDecoder('utf-8', { ignoreBOM: true })
  let decoder = create()
  return {
    push: (token) => decoder.decode(unspellBytes(token), { stream: true }),
    end() {
      const rest = decoder.decode()
      decoder = create()
      return rest
    },
  }
}

function atTheEnd(decoder: Decoder): TokenStream {
  let tokens: string[] = []
  return {
    push(token) {
      tokens.push(token)
      return ''
    },
    end() {
      const text = tokens.length === 0 ? '' : decoder.chain(tokens).join('')
      tokens = []
      return text
    },
  }
}
