/** The parser's view of the tokens: look at one, take it, demand it. */
import { templateError } from './errors.ts'
import type { Token, TokenKind } from './lexer.ts'

export interface Tokens {
  readonly current: Token
  readonly following: Token
  next(): Token
  /** Whether the current token is this name or operator. */
  is(kind: TokenKind, text?: string): boolean
  skip(kind: TokenKind, text?: string): boolean
  expect(kind: TokenKind, text?: string): Token
  /** Runs `parse` one level deeper; too many levels are an error. */
  nested<T>(parse: () => T): T
  fail(message: string): never
}

const MAX_DEPTH = 150

export function readTokens(all: readonly Token[]): Tokens {
  let at = 0
  let depth = 0
  return {
    get current() {
      return all[at]
    },
    get following() {
      return all[Math.min(at + 1, all.length - 1)]
    },
    next() {
      const token = all[at]
      if (at < all.length - 1) at++
      return token
    },
    is: (kind, text) => all[at].kind === kind && (text === undefined || all[at].text === text),
    skip(kind, text) {
      if (!this.is(kind, text)) return false
      this.next()
      return true
    },
    expect(kind, text) {
      if (this.is(kind, text)) return this.next()
      return this.fail(`expected ${text ?? kind}, got ${describe(all[at])}`)
    },
    nested(parse) {
      if (++depth > MAX_DEPTH) this.fail(`nested deeper than ${MAX_DEPTH}`)
      const result = parse()
      depth--
      return result
    },
    fail(message) {
      throw templateError(message, all[at].line)
    },
  }
}

export function describe(token: Token): string {
  const names: Partial<Record<TokenKind, string>> = {
    end: '%}',
    endprint: '}}',
    eof: 'the end of the template',
    begin: '{%',
    print: '{{',
  }
  return names[token.kind] ?? `'${token.text}'`
}
