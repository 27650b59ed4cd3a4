/**
 * Template text → tokens, with Jinja's whitespace control as transformers sets it (trim_blocks, lstrip_blocks, and the
 * last line break dropped). Linear in the text. Knows no grammar beyond brackets that must match.
 */
import { templateError } from './errors.ts'
import { int } from './numbers.ts'
import { isSpace, stripped } from './text.ts'
import { Float, type Value } from './values.ts'

export type TokenKind =
  | 'data'
  | 'begin'
  | 'end'
  | 'print'
  | 'endprint'
  | 'name'
  | 'text'
  | 'number'
  | 'operator'
  | 'eof'

export interface Token {
  readonly kind: TokenKind
  /** The name or operator itself; the content of data and texts. */
  readonly text: string
  readonly value: Value
  readonly line: number
}

const NAME = /[\p{L}\p{N}_\p{M}\p{Pc}]+/uy
const IDENTIFIER = /^[\p{XID_Start}_]\p{XID_Continue}*$/u
const FLOAT = /(?<!\.)(?:\d+_)*\d+(?:(?:\.(?:\d+_)*\d+)?e[+-]?(?:\d+_)*\d+|\.(?:\d+_)*\d+)/iy
const INTEGER = /0b(?:_?[01])+|0o(?:_?[0-7])+|0x(?:_?[\da-f])+|[1-9](?:_?\d)*|0(?:_?0)*/iy
const STRING = /'[^'\\]*(?:\\.[^'\\]*)*'|"[^"\\]*(?:\\.[^"\\]*)*"/sy
const OPERATORS = ['//', '**', '==', '!=', '>=', '<=', ...'+-/*%~[](){}><=.:|,;']
const OPENING = new Map([
  ['{', '}'],
  ['(', ')'],
  ['[', ']'],
])

export function tokenize(template: string): Token[] {
  const source = template.replace(/\r\n?/g, '\n').replace(/\n$/, '')
  const tokens: Token[] = []
  let at = 0
  let line = 1
  /** The tag before ended with a line break, or there was none. */
  let startsLine = true
  const add = (kind: TokenKind, text: string, value: Value = null): void =>
    void tokens.push({ kind, text, value, line })
  const move = (end: number): void => {
    for (; at < end; at++) if (source[at] === '\n') line++
  }

  /** Where the text goes on behind a tag that ends at `end`. */
  function afterTag(end: number, sign: string, isBlock: boolean): number {
    let next = end
    if (sign === '-') while (next < source.length && isSpace(source[next])) next++
    else if (sign === '' && isBlock && source[next] === '\n') next++
    return next
  }

  function rawEnd(): { start: number; sign: string; end: number } {
    for (let i = source.indexOf('{%', at); i >= 0; i = source.indexOf('{%', i + 2)) {
      const found = match(/\{%([-+]?)\s*endraw\s*([-+]?)%\}/y, source, i)
      if (found !== undefined)
        return { start: i, sign: found[1], end: afterTag(i + found[0].length, found[2], true) }
    }
    // As in Jinja, an open tag is a fault only when something follows it.
    if (at === source.length) return { start: at, sign: '', end: at }
    throw templateError('Missing end of raw directive', line)
  }

  function lexTag(isBlock: boolean): void {
    const brackets: string[] = []
    const close = isBlock ? '%}' : '}}'
    for (;;) {
      if (at >= source.length) throw templateError('unexpected end of template', line)
      if (isSpace(source[at])) {
        move(at + 1)
        continue
      }
      const sign = source[at] === '-' || (isBlock && source[at] === '+') ? source[at] : ''
      if (brackets.length === 0 && source.startsWith(close, at + sign.length)) {
        add(isBlock ? 'end' : 'endprint', '')
        move(afterTag(at + sign.length + 2, sign, isBlock))
        return
      }
      lexToken(brackets)
    }
  }

  function lexToken(brackets: string[]): void {
    const number = match(FLOAT, source, at)?.[0]
    if (number !== undefined) {
      add('number', number, new Float(Number(number.replaceAll('_', ''))))
      return move(at + number.length)
    }
    const whole = match(INTEGER, source, at)?.[0]
    if (whole !== undefined) {
      if (whole.length > 4300) throw templateError('an integer of more than 4300 digits', line)
      add('number', whole, int(BigInt(whole.replaceAll('_', ''))))
      return move(at + whole.length)
    }
    const name = match(NAME, source, at)?.[0]
    if (name !== undefined) {
      if (!IDENTIFIER.test(name)) throw templateError(`'${name}' is not a name`, line)
      add('name', name)
      return move(at + name.length)
    }
    const text = match(STRING, source, at)?.[0]
    if (text !== undefined) {
      add('text', unescaped(text.slice(1, -1), line))
      return move(at + text.length)
    }
    const operator = OPERATORS.find((candidate) => source.startsWith(candidate, at))
    if (operator === undefined) throw templateError(`unexpected char '${source[at]}'`, line)
    const closing = OPENING.get(operator)
    if (closing !== undefined) brackets.push(closing)
    else if (operator === '}' || operator === ')' || operator === ']') {
      const wanted = brackets.pop()
      if (wanted !== operator) {
        throw templateError(
          `unexpected '${operator}'${wanted === undefined ? '' : `, expected '${wanted}'`}`,
          line,
        )
      }
    }
    add('operator', operator)
    move(at + operator.length)
  }

  while (at < source.length) {
    const start = nextTag(source, at)
    if (start < 0) {
      add('data', source.slice(at))
      break
    }
    const kind = source[start + 1]
    const raw = kind === '%' ? match(/\{%([-+]?)\s*raw\s*(?:-%\}\s*|%\})/y, source, start) : undefined
    const sign = /[-+]/.test(source[start + 2] ?? '') ? source[start + 2] : ''
    const text = stripBefore(source.slice(at, start), raw?.[1] ?? sign, kind !== '{', startsLine)
    if (text !== '') add('data', text)
    move(start)
    if (raw !== undefined) {
      move(start + raw[0].length)
      startsLine = source[at - 1] === '\n'
      const end = rawEnd()
      const body = stripBefore(source.slice(at, end.start), end.sign, true, startsLine)
      if (body !== '') add('data', body)
      move(end.end)
    } else if (kind === '#') {
      const close = source.indexOf('#}', start + 2 + sign.length)
      if (close < 0 && start + 2 + sign.length < source.length)
        throw templateError('Missing end of comment tag', line)
      if (close < 0) break
      const before = source[close - 1]
      // `{#-#}` has one sign, which belongs to its beginning.
      const isSigned = close > start + 2 + sign.length && (before === '-' || before === '+')
      move(afterTag(close + 2, isSigned ? before : '', true))
    } else {
      add(kind === '%' ? 'begin' : 'print', '')
      move(start + 2 + sign.length)
      lexTag(kind === '%')
    }
    startsLine = source[at - 1] === '\n'
  }
  add('eof', '')
  return tokens
}

function match(pattern: RegExp, source: string, at: number): RegExpExecArray | undefined {
  pattern.lastIndex = at
  return pattern.exec(source) ?? undefined
}

function nextTag(source: string, from: number): number {
  for (let i = source.indexOf('{', from); i >= 0; i = source.indexOf('{', i + 1)) {
    const next = source[i + 1]
    if (next === '%' || next === '{' || next === '#') return i
  }
  return -1
}

/** The text before a tag: without its white space after `-`, and without the indentation of a block. */
function stripBefore(text: string, sign: string, isBlock: boolean, startsLine: boolean): string {
  if (sign === '-') return stripped(text, isSpace, 'right')
  let end = text.length
  while (end > 0 && isSpace(text[end - 1]) && text[end - 1] !== '\n') end--
  if (sign === '+' || !isBlock || end === text.length) return text
  return text[end - 1] === '\n' || (end === 0 && startsLine) ? text.slice(0, end) : text
}

const ESCAPES: Readonly<Record<string, string>> = {
  n: '\n',
  t: '\t',
  r: '\r',
  a: '\x07',
  b: '\b',
  f: '\f',
  v: '\v',
  '\\': '\\',
  "'": "'",
  '"': '"',
  '\n': '',
}

/** The escapes of a Python literal; unknown ones stay as they are. */
function unescaped(text: string, line: number): string {
  return text.replace(
    /\\(?:([0-7]{1,3})|x(.{0,2})|u(.{0,4})|U(.{0,8})|(.))/gs,
    (all, octal, x, u, wide, other) => {
      if (octal !== undefined) return String.fromCharCode(Number.parseInt(octal, 8))
      const digits = x ?? u ?? wide
      if (digits === undefined) {
        if (other === 'N') throw templateError('named characters (\\N) are not supported', line)
        return ESCAPES[other] ?? all
      }
      const size = x !== undefined ? 2 : u !== undefined ? 4 : 8
      const code =
        digits.length === size && /^[0-9a-f]+$/i.test(digits) ? Number.parseInt(digits, 16) : Infinity
      if (code > 0x10ffff) throw templateError(`bad escape ${all}`, line)
      return String.fromCodePoint(code)
    },
  )
}
