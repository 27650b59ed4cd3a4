/**
 * `added_tokens` of tokenizer.json: tokens that are taken out of a text before the model sees it. First those that match
 * the text as it is, then, in what is left and normalised, the `normalized` ones; leftmost, the longest of them.
 */
import type { Vocabulary } from './models/vocabulary.ts'
import { type Normalizer, type Stretch, spacesAtEnd, spacesAtStart } from './normalizers.ts'
import type { Part } from './part.ts'
import { newerThan } from './unicode-age.ts'

export interface AddedToken {
  readonly content: string
  readonly id: number
  /** What is searched for and what decoders see: the content, normalised when `normalized` is set. */
  readonly spelling: string
  /** Only where no letter, number or underscore is beside it. */
  readonly singleWord: boolean
  /** Takes the white space before it along. */
  readonly lstrip: boolean
  readonly rstrip: boolean
  readonly normalized: boolean
  readonly special: boolean
}

export interface AddedTokens {
  readonly byContent: ReadonlyMap<string, AddedToken>
  readonly byId: ReadonlyMap<number, AddedToken>
  /** An added token is its id; the rest is normalised. */
  split(text: string): (Stretch | number)[]
}

/**
 * A token that the model has keeps its id; others are numbered after the vocabulary in their order, as the Rust library
 * does it (it does not look at `id`).
 */
export function createAddedTokens(
  file: Part,
  vocabulary: Vocabulary,
  normalizer: Normalizer | null,
): AddedTokens {
  const normalize = (stretch: Stretch): Stretch => (normalizer ? normalizer(stretch) : stretch)
  const byContent = new Map<string, AddedToken>()
  const byId = new Map<number, AddedToken>()
  let nextId = vocabulary.size
  for (const part of file.get('added_tokens') === undefined ? [] : file.parts('added_tokens')) {
    const content = part.text('content')
    if (content === '') continue
    const earlier = byContent.get(content)
    const id = earlier?.id ?? vocabulary.ids.get(content) ?? nextId++
    const special = part.flag('special', false)
    const normalized = part.flag('normalized', !special)
    const token = {
      content,
      id,
      spelling: normalized ? normalize({ text: content, start: 0 }).text : content,
      singleWord: part.flag('single_word', false),
      lstrip: part.flag('lstrip', false),
      rstrip: part.flag('rstrip', false),
      normalized,
      special: special || earlier?.special === true,
    }
    byContent.set(content, token)
    byId.set(id, token)
  }
  const tokens = [...byId.values()]
  const inText = createMatcher(tokens.filter(({ normalized }) => !normalized))
  const inNormalized = createMatcher(tokens.filter(({ normalized }) => normalized))
  return {
    byContent,
    byId,
    split: (text) =>
      cut({ text, start: text === '' ? 0 : after(text, 0).length }, inText).flatMap((stretch) =>
        typeof stretch === 'number' ? [stretch] : cut(normalize(stretch), inNormalized),
      ),
  }
}

/** The added tokens of `stretch` and what is between them. */
function cut({ text, start: inputStart }: Stretch, matcher: Matcher | undefined): (Stretch | number)[] {
  if (text === '') return []
  if (!matcher) return [{ text, start: inputStart }]
  const parts: (Stretch | number)[] = []
  const stretch = (from: number, to: number): Stretch => ({
    text: text.slice(from, to),
    start: Math.max(0, Math.min(inputStart, to) - from),
  })
  let done = 0
  /** Where the white space at a place ends; tokens of white space would ask for the same stretch again and again. */
  let [spacesFrom, spacesTo] = [0, 0]
  const spaces = (at: number): number => {
    if (at < spacesFrom || at > spacesTo) [spacesFrom, spacesTo] = [at, at + spacesAtStart(text, at)]
    return spacesTo
  }
  matcher(text, (token, from, to) => {
    if (token.singleWord && (isWord(before(text, from)) || isWord(after(text, to)))) return
    // White space that the token before has taken is gone; a token that is nothing else is gone too.
    const start = token.lstrip ? Math.max(spacesAtEnd(text, done, from), done) : from
    const end = token.rstrip ? spaces(to) : to
    if (start >= end) {
      done = Math.max(done, end)
      return
    }
    if (done < start) parts.push(stretch(done, start))
    parts.push(token.id)
    // A token of white space may lie in what the one before has taken: as in the Rust library both count.
    done = end
  })
  if (done < text.length) parts.push(stretch(done, text.length))
  return parts
}

const WORD = new RegExp(
  String.raw`^[[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]--[${newerThan(16)}]]$`,
  'v',
)

function isWord(char: string): boolean {
  return char !== '' && WORD.test(char)
}

function before(text: string, at: number): string {
  if (at === 0) return ''
  const isPair = at > 1 && isLow(text.charCodeAt(at - 1))
  return text.slice(isPair ? at - 2 : at - 1, at)
}

function after(text: string, at: number): string {
  return at < text.length ? String.fromCodePoint(text.codePointAt(at)!) : ''
}

function isLow(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff
}

type Visit = (token: AddedToken, start: number, end: number) => void
type Matcher = (text: string, visit: Visit) => void

interface Node {
  readonly next: Map<number, Node>
  token?: AddedToken
}

/**
 * Leftmost-longest matches that do not overlap. Time is proportional to the text times the longest run of characters
 * that begins a token.
 */
function createMatcher(tokens: readonly AddedToken[]): Matcher | undefined {
  if (tokens.length === 0) return undefined
  const root: Node = { next: new Map() }
  for (const token of tokens) {
    let node = root
    for (let i = 0; i < token.spelling.length; i++) {
      const unit = token.spelling.charCodeAt(i)
      const known = node.next.get(unit)
      node.next.set(unit, (node = known ?? { next: new Map() }))
    }
    // Of tokens that are the same when normalised the first counts; the Rust library takes any of them.
    if (node !== root) node.token ??= token
  }
  return (text, visit) => {
    for (let start = 0; start < text.length;) {
      const token = longest(root, text, start)
      if (!token) start++
      else visit(token, start, (start += token.spelling.length))
    }
  }
}

function longest(root: Node, text: string, start: number): AddedToken | undefined {
  let found: AddedToken | undefined
  let node = root.next.get(text.charCodeAt(start))
  for (let i = start + 1; node; i++) {
    found = node.token ?? found
    if (i >= text.length) break
    node = node.next.get(text.charCodeAt(i))
  }
  return found
}
