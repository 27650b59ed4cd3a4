/**
 * `pre_tokenizer` of tokenizer.json: a stretch of text to the pieces that the model sees one by one.
 */
import { spellBytes } from './byte-level.ts'
import type { Stretch } from './normalizers.ts'
import { type Part, byType } from './part.ts'
import { type Find, findAll, findPattern } from './patterns.ts'
import { type Split, splitAt, splitBehavior } from './split.ts'
import { newerThan } from './unicode-age.ts'

/** Pieces of a stretch; none is empty. */
export interface Pieces {
  readonly texts: readonly string[]
  /** Whether the first piece starts where the whole input does. */
  readonly isStart: boolean
}

export type PreTokenizer = (pieces: Pieces) => Pieces

export function createPreTokenizer(part: Part): PreTokenizer {
  return byType(part, KINDS)
}

/** The whole stretch as one piece. */
export function wholePiece({ text, start }: Stretch): Pieces {
  return { texts: text === '' ? [] : [text], isStart: start > 0 }
}

/** The pattern of GPT-2, which `ByteLevel` has built in. */
const GPT2 = findAll(
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu,
)
const SPACES = findAll(/\p{White_Space}/gu)
/** The engine's tables are as old as the ones of Rust's `char`, so nothing is hidden from this one. */
const NUMBERS: Find = (text) => placesOf(text, /\p{N}/gu)
const PUNCTUATION: Find = (text) => placesOf(text, PUNCTUATION_CLASS)
/** U+166D was punctuation once. */
const PUNCTUATION_CLASS = new RegExp(String.raw`[[\p{P}!-\/:-@\[-\x60\{-~\u166D]--[${newerThan(8)}]]`, 'gv')
const WORDS_OR_MARKS = findAll(
  /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]+|[^\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}\p{White_Space}]+/gu,
)

const KINDS: Readonly<Record<string, (part: Part) => PreTokenizer>> = {
  Sequence(part) {
    const all = part.parts('pretokenizers').map(createPreTokenizer)
    return (pieces) => all.reduce((before, preTokenizer) => preTokenizer(before), pieces)
  },
  Split: (part) => splitting(splitAt(findPattern(part), splitBehavior(part), part.flag('invert'))),
  Whitespace: () => splitting(splitAt(WORDS_OR_MARKS, 'Removed', true)),
  WhitespaceSplit: () => splitting(splitAt(SPACES, 'Removed')),
  BertPreTokenizer() {
    const words = splitting(splitAt(SPACES, 'Removed'))
    const marks = splitting(splitAt(PUNCTUATION, 'Isolated'))
    return (pieces) => marks(words(pieces))
  },
  Punctuation: (part) => splitting(splitAt(PUNCTUATION, splitBehavior(part, 'Isolated'))),
  Digits: (part) => splitting(splitAt(NUMBERS, part.flag('individual_digits') ? 'Isolated' : 'Contiguous')),
  CharDelimiterSplit: delimiter,
  Delimiter: delimiter,
  FixedLength(part) {
    const length = part.integer('length', 5)
    if (length === 0) throw part.wrong('length', 'an integer of 1 or more')
    return splitting((text) => fixedPieces(text, length))
  },
  Metaspace(part) {
    const replacement = part.text('replacement')
    if (Array.from(replacement).length !== 1) throw part.wrong('replacement', 'one character')
    const scheme = prependScheme(part)
    const split = part.flag('split', true) ? splitAt(literally(replacement), 'MergedWithNext') : undefined
    return ({ texts, isStart }) => {
      const marked = texts.map((text, i) => {
        const replaced = text.replaceAll(' ', replacement)
        const wanted = scheme === 'always' || (scheme === 'first' && isStart && i === 0)
        return wanted && !replaced.startsWith(replacement) ? replacement + replaced : replaced
      })
      const pieces = { texts: marked, isStart }
      return split ? splitPieces(pieces, split) : pieces
    }
  },
  ByteLevel(part) {
    const prefix = part.flag('add_prefix_space')
    const split = part.flag('use_regex', true) ? splitAt(GPT2, 'Isolated') : undefined
    return ({ texts, isStart }) => {
      const opened = prefix ? texts.map((text) => (text.startsWith(' ') ? text : ` ${text}`)) : texts
      const pieces = { texts: opened, isStart }
      const { texts: cut } = split ? splitPieces(pieces, split) : pieces
      return { texts: cut.map(spellBytes), isStart }
    }
  },
}

export type PrependScheme = 'always' | 'first' | 'never'

/** `prepend_scheme`, with `add_prefix_space: false` of older files. */
export function prependScheme(part: Part): PrependScheme {
  const scheme = part.text('prepend_scheme', 'always')
  if (scheme !== 'always' && scheme !== 'first' && scheme !== 'never')
    throw part.wrong('prepend_scheme', 'always, first or never')
  if (part.get('add_prefix_space') === false && scheme !== 'never')
    throw part.error('add_prefix_space: false contradicts prepend_scheme', 'set prepend_scheme to "never"')
  return scheme
}

function delimiter(part: Part): PreTokenizer {
  const text = part.text('delimiter')
  if (Array.from(text).length !== 1) throw part.wrong('delimiter', 'one character')
  return splitting(splitAt(literally(text), 'Removed'))
}

function splitting(split: Split): PreTokenizer {
  return (pieces) => splitPieces(pieces, split)
}

function splitPieces({ texts, isStart }: Pieces, split: Split): Pieces {
  const cut: string[] = []
  let starts = isStart
  texts.forEach((text, i) => {
    const spans = split(text)
    if (i === 0 && (spans.length === 0 || spans[0] > 0)) starts = false
    for (let k = 0; k < spans.length; k += 2) cut.push(text.slice(spans[k], spans[k + 1]))
  })
  return { texts: cut, isStart: starts }
}

function placesOf(text: string, pattern: RegExp): number[] {
  const places: number[] = []
  for (const match of text.matchAll(pattern)) places.push(match.index, match.index + match[0].length)
  return places
}

function literally(char: string): Find {
  return (text) => {
    const places: number[] = []
    for (let at = text.indexOf(char); at >= 0; at = text.indexOf(char, at + char.length))
      places.push(at, at + char.length)
    return places
  }
}

function fixedPieces(text: string, length: number): number[] {
  const spans: number[] = []
  let start = 0
  let end = 0
  let count = 0
  for (const c of text) {
    end += c.length
    if (++count < length) continue
    spans.push(start, end)
    start = end
    count = 0
  }
  if (end > start) spans.push(start, end)
  return spans
}
