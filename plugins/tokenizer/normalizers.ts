/**
 * `normalizer` of tokenizer.json: text to text, before tokens are looked for.
 */
import { type Part, byType } from './part.ts'
import { findPattern } from './patterns.ts'
import { precompiled } from './precompiled.ts'
import { spellBytes } from './byte-level.ts'
import { newerThan, normalizeAsOfUnicode9 } from './unicode-age.ts'

/** A stretch of text between added tokens. */
export interface Stretch {
  readonly text: string
  /** How many of its first code units come from the first character of the whole input. */
  readonly start: number
}

export type Normalizer = (stretch: Stretch) => Stretch

export function createNormalizer(part: Part): Normalizer {
  return byType(part, KINDS)
}

const KINDS: Readonly<Record<string, (part: Part) => Normalizer>> = {
  Sequence(part) {
    const all = part.parts('normalizers').map(createNormalizer)
    return (stretch) => all.reduce((before, normalizer) => normalizer(before), stretch)
  },
  NFC: () => keepsStart((text) => normalizeAsOfUnicode9(text, 'NFC')),
  NFD: () => keepsStart((text) => normalizeAsOfUnicode9(text, 'NFD')),
  NFKC: () => keepsStart((text) => normalizeAsOfUnicode9(text, 'NFKC')),
  NFKD: () => keepsStart((text) => normalizeAsOfUnicode9(text, 'NFKD')),
  Lowercase: () => keepsStart(lowercase),
  ByteLevel: () => keepsStart(spellBytes),
  Precompiled(part) {
    const normalize = keepsStart(precompiled(part))
    // What the rules remove at the very start leaves no gap there.
    return (stretch) => {
      const { text, start } = normalize(stretch)
      return { text, start: stretch.start > 0 && text !== '' ? Math.max(1, start) : start }
    }
  },
  StripAccents: () => removing(COMBINING),
  Nmt() {
    const remove = removing(NMT_REMOVED)
    return (stretch) => {
      const { text, start } = remove(stretch)
      return { text: text.replaceAll(NMT_SPACES, ' '), start }
    }
  },
  Prepend(part) {
    const prefix = part.text('prepend')
    return keepsStart((text) => (text === '' ? text : prefix + text))
  },
  Strip(part) {
    const [left, right] = [part.flag('strip_left'), part.flag('strip_right')]
    return ({ text, start }) => {
      const from = left ? spacesAtStart(text) : 0
      const to = right ? Math.max(from, spacesAtEnd(text)) : text.length
      return { text: text.slice(from, to), start: Math.max(0, Math.min(start, to) - from) }
    }
  },
  Replace(part) {
    const [find, content] = [findPattern(part), part.text('content')]
    return (stretch) => replacePlaces(stretch, find(stretch.text), content)
  },
  BertNormalizer(part) {
    const lower = part.flag('lowercase')
    const accents = part.get('strip_accents') ?? null
    if (accents !== null && typeof accents !== 'boolean')
      throw part.wrong('strip_accents', 'true, false or null')
    const [clean, chinese] = [part.flag('clean_text'), part.flag('handle_chinese_chars')]
    const steps: Normalizer[] = []
    if (clean)
      steps.push(
        removing(BERT_REMOVED),
        keepsStart((text) => text.replaceAll(/\p{White_Space}/gu, ' ')),
      )
    if (chinese) steps.push(keepsStart((text) => text.replaceAll(CHINESE, ' $& ')))
    if (accents ?? lower) {
      steps.push(
        keepsStart((text) => normalizeAsOfUnicode9(text, 'NFD')),
        removing(NONSPACING),
      )
    }
    if (lower) steps.push(keepsStart(lowercase))
    return (stretch) => steps.reduce((before, step) => step(before), stretch)
  },
}

const COMBINING = new RegExp(String.raw`[\p{M}--[${newerThan(9)}]]+`, 'gv')
const NONSPACING = new RegExp(String.raw`[\p{Mn}--[${newerThan(8)}]]+`, 'gv')
const BERT_REMOVED = new RegExp(
  String.raw`[[\0\uFFFD\p{Cc}\p{Cf}\p{Co}]--[\t\n\r]--[${newerThan(8)}]]+`,
  'gv',
)
const NMT_REMOVED = new RegExp(String.raw`[\x01-\x08\v\x0e-\x1f\x7f\x8f\x9f]+`, 'g')
const NMT_SPACES = /[\t\n\f\r\u1680\u200b-\u200f\u2028\u2029\u2581\ufeff\ufffd]/g
const CHINESE =
  /[\u4e00-\u9fff\u3400-\u4dbf\u{20000}-\u{2a6df}\u{2a700}-\u{2b73f}\u{2b740}-\u{2b81f}\u{2b920}-\u{2ceaf}\uf900-\ufaff\u{2f800}-\u{2fa1f}]/gu

/** Character by character: a sigma at the end of a word is like any other. */
function lowercase(text: string): string {
  return text.replaceAll('Σ', 'σ').toLowerCase()
}

/** For changes of one character after the other. */
function keepsStart(change: (text: string) => string): Normalizer {
  return ({ text, start }) => ({
    text: change(text),
    start: start === 0 ? 0 : change(text.slice(0, start)).length,
  })
}

/** `pattern` is global. */
function removing(pattern: RegExp): Normalizer {
  return keepsStart((text) => text.replaceAll(pattern, ''))
}

/** What is put in comes from the last character of what it replaces. */
function replacePlaces({ text, start }: Stretch, places: readonly number[], content: string): Stretch {
  let replaced = ''
  let newStart = 0
  let end = 0
  for (let i = 0; i < places.length; i += 2) {
    newStart += Math.max(0, Math.min(start, places[i]) - end)
    if (places[i + 1] <= start) newStart += content.length
    else if (places[i] < start) start = places[i]
    replaced += text.slice(end, places[i]) + content
    end = places[i + 1]
  }
  return { text: replaced + text.slice(end), start: newStart + Math.max(0, start - end) }
}

const SPACE = /\p{White_Space}/u

/** How many code units of white space `text` starts with (all of it is in the basic plane). */
export function spacesAtStart(text: string, from = 0): number {
  let end = from
  while (end < text.length && SPACE.test(text[end])) end++
  return end - from
}

/** Where the white space at the end of `text`, or of `[from, to)` in it, starts. */
export function spacesAtEnd(text: string, from = 0, to: number = text.length): number {
  let start = to
  while (start > from && SPACE.test(text[start - 1])) start--
  return start
}
