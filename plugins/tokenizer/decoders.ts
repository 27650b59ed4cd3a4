/**
 * `decoder` of tokenizer.json: the tokens of some ids to their text.
 */
import { unspellBytes } from './byte-level.ts'
import { type Part, byType } from './part.ts'
import { findPattern } from './patterns.ts'
import { prependScheme } from './pre-tokenizers.ts'

/** How much later tokens can change the text of earlier ones. */
export type Lookahead =
  /** Not at all. */
  | 'none'
  /** A run of bytes is text only when it has ended. */
  | 'byte tokens'
  /** The last character may be half of one. */
  | 'half characters'
  /** Anything may still change. */
  | 'all'

export interface Decoder {
  readonly lookahead: Lookahead
  /** One text for each token, or fewer where tokens are joined. */
  chain(tokens: readonly string[]): string[]
}

export function createDecoder(part: Part): Decoder {
  return byType(part, KINDS)
}

/** Without a decoder tokens are words. */
export const WORDS: Decoder = { lookahead: 'none', chain: (tokens) => [tokens.join(' ')] }

const KINDS: Readonly<Record<string, (part: Part) => Decoder>> = {
  Sequence(part) {
    const all = part.parts('decoders').map(createDecoder)
    return {
      lookahead: lookaheadOf(part, all),
      chain: (tokens) => all.reduce((before: string[], decoder) => decoder.chain(before), [...tokens]),
    }
  },
  ByteLevel: () => ({
    lookahead: 'half characters',
    chain: (tokens) => [
      new TextDecoder('utf-8', { ignoreBOM: true }).decode(joinBytes(tokens.map(unspellBytes))),
    ],
  }),
  ByteFallback: () => ({ lookahead: 'byte tokens', chain: byteFallback }),
  Fuse: () => ({ lookahead: 'none', chain: (tokens) => [tokens.join('')] }),
  Replace(part) {
    const [find, content] = [findPattern(part), part.text('content')]
    return each((token) => {
      const places = find(token)
      let text = ''
      let end = 0
      for (let i = 0; i < places.length; i += 2) {
        text += token.slice(end, places[i]) + content
        end = places[i + 1]
      }
      return text + token.slice(end)
    })
  },
  Strip(part) {
    const content = part.text('content')
    if (Array.from(content).length !== 1) throw part.wrong('content', 'one character')
    const [start, stop] = [part.integer('start'), part.integer('stop')]
    return each((token) => strip(token, content, start, stop))
  },
  Metaspace(part) {
    const [replacement, scheme] = [part.text('replacement'), prependScheme(part)]
    return each((token, i) => token.replaceAll(replacement, i === 0 && scheme !== 'never' ? '' : ' '))
  },
  WordPiece(part) {
    const [prefix, tidies] = [part.text('prefix'), part.flag('cleanup')]
    return each((token, i) => {
      const text = i === 0 ? token : token.startsWith(prefix) ? token.slice(prefix.length) : ` ${token}`
      return tidies ? tidy(text) : text
    })
  },
  BPEDecoder(part) {
    const suffix = part.text('suffix')
    return {
      lookahead: 'all',
      chain: (tokens) =>
        tokens.map((token, i) => token.replaceAll(suffix, i === tokens.length - 1 ? '' : ' ')),
    }
  },
  CTC(part) {
    const [pad, delimiter, tidies] = [
      part.text('pad_token'),
      part.text('word_delimiter_token'),
      part.flag('cleanup'),
    ]
    return {
      lookahead: 'none',
      chain: (tokens) =>
        tokens
          .filter((token, i) => token !== tokens[i - 1])
          .map((token) => {
            const text = token.replaceAll(pad, '')
            return tidies ? tidy(text).replaceAll(delimiter, ' ') : text
          })
          .filter((text) => text !== ''),
    }
  },
}

function each(change: (token: string, index: number) => string): Decoder {
  return { lookahead: 'none', chain: (tokens) => tokens.map(change) }
}

/** Steps after the tokens are joined look at all of the text. */
function lookaheadOf(part: Part, steps: readonly Decoder[]): Lookahead {
  const kinds = part.parts('decoders')
  const [join] = kinds.flatMap(({ type }, i) => (type === 'Fuse' || type === 'ByteLevel' ? [i] : []))
  const looksAtAll = kinds.slice((join ?? kinds.length) + 1).some((step) => {
    if (step.type === 'Strip') return step.integer('stop') > 0
    return step.type !== 'Fuse'
  })
  const wanted = [...new Set(steps.map(({ lookahead }) => lookahead))].filter((one) => one !== 'none')
  const changesBytes =
    wanted[0] === 'half characters' && kinds.some(({ type }) => type !== 'Fuse' && type !== 'ByteLevel')
  return looksAtAll || changesBytes || wanted.length > 1 ? 'all' : (wanted[0] ?? 'none')
}

function joinBytes(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

const BYTE_TOKEN = /^<0x(?:[0-9A-Fa-f]{2}|\+[0-9A-Fa-f])>$/

export function isByteToken(token: string): boolean {
  return BYTE_TOKEN.test(token)
}

/** Runs of byte tokens become text; a run that is no UTF-8 becomes as many replacement characters. */
function byteFallback(tokens: readonly string[]): string[] {
  const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  const texts: string[] = []
  let run: number[] = []
  const flush = (): void => {
    if (run.length === 0) return
    try {
      texts.push(strict.decode(Uint8Array.from(run)))
    } catch {
      for (const _ of run) texts.push('\uFFFD')
    }
    run = []
  }
  for (const token of tokens) {
    if (isByteToken(token)) run.push(Number.parseInt(token.slice(3, 5), 16))
    else {
      flush()
      texts.push(token)
    }
  }
  flush()
  return texts
}

/** `content` is one character. */
function strip(token: string, content: string, start: number, stop: number): string {
  const { length } = content
  let from = 0
  while (from < start * length && token.startsWith(content, from)) from += length
  let to = token.length
  const least = Math.max(from, to - stop * length)
  while (to - length >= least && token.startsWith(content, to - length)) to -= length
  return token.slice(from, to)
}

function tidy(text: string): string {
  return text
    .replaceAll(' .', '.')
    .replaceAll(' ?', '?')
    .replaceAll(' !', '!')
    .replaceAll(' ,', ',')
    .replaceAll(" ' ", "'")
    .replaceAll(" n't", "n't")
    .replaceAll(" 'm", "'m")
    .replaceAll(' do not', " don't")
    .replaceAll(" 's", "'s")
    .replaceAll(" 've", "'ve")
    .replaceAll(" 're", "'re")
}
