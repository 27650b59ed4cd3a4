/** HTML in templates: markupsafe's `escape` and `striptags`. Chat templates seldom need it, but `safe` is used. */
import type { Run } from './run.ts'
import { str } from './show.ts'
import { isSpace, stripped } from './text.ts'
import { Markup, type Value } from './values.ts'

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&#34;',
  "'": '&#39;',
}

/** The text of a value for HTML; marked text stays as it is. */
export function escapeHtml(run: Run, value: Value): string {
  if (value instanceof Markup) return value.text
  const text = str(run, value)
  run.charge(text.length)
  return text.replace(/[&<>"']/g, (char) => ENTITIES[char])
}

/** Without comments and tags, with single spaces. Linear, as markupsafe is: it searches, it has no pattern. */
export function stripTags(run: Run, text: string): string {
  run.charge(text.length)
  const withoutComments = dropBetween(text, '<!--', '-->')
  const withoutTags = dropBetween(withoutComments, '<', '>')
  const words = splitWords(withoutTags).join(' ')
  return words.replace(/&(#x?[0-9a-f]+|amp|lt|gt|quot|apos|nbsp);/gi, unescaped)
}

function dropBetween(text: string, open: string, close: string): string {
  let kept = ''
  let from = 0
  for (;;) {
    const start = text.indexOf(open, from)
    const end = start < 0 ? -1 : text.indexOf(close, start)
    if (end < 0) return kept + text.slice(from)
    kept += text.slice(from, start)
    from = end + close.length
  }
}

/** `str.split()` without arguments. */
export function splitWords(text: string): string[] {
  const words: string[] = []
  let start = -1
  for (let i = 0; i <= text.length; i++) {
    const isEnd = i === text.length || isSpace(text[i])
    if (!isEnd && start < 0) start = i
    if (!isEnd || start < 0) continue
    words.push(text.slice(start, i))
    start = -1
  }
  return words
}

const NAMES: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  nbsp: '\xA0',
}

function unescaped(entity: string, name: string): string {
  if (!name.startsWith('#')) return NAMES[name] ?? entity
  const code = /^#x/i.test(name) ? Number.parseInt(name.slice(2), 16) : Number(name.slice(1))
  return code > 0 && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff)
    ? String.fromCodePoint(code)
    : '\uFFFD'
}

/** `str.strip()` without arguments. */
export function trimmed(text: string): string {
  return stripped(text, isSpace, 'both')
}
