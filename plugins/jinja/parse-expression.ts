/** Expressions of Jinja, with its precedence: `if`, or, and, not, comparison, `+ -`, `~`, `* / // %`, `**`, sign, postfix, filter. */
import { describe, type Tokens } from './tokens.ts'
import type { Arguments, Expression } from './nodes.ts'
import type { BinaryOperator, Comparison } from './operators.ts'

export function parseExpression(tokens: Tokens, withIf: boolean = true): Expression {
  return tokens.nested(() => (withIf ? parseIf(tokens) : parseOr(tokens)))
}

interface TupleOptions {
  readonly withIf?: boolean
  readonly endsAt?: string
  readonly inBrackets?: boolean
}

/** One expression, or a tuple of them without brackets. `endsAt`: a name that ends it, such as `in`. */
export function parseTuple(
  tokens: Tokens,
  { withIf = true, endsAt = '', inBrackets = false }: TupleOptions = {},
): Expression {
  const items: Expression[] = []
  let isTuple = false
  for (;;) {
    if (isTupleEnd(tokens, endsAt)) break
    items.push(parseExpression(tokens, withIf))
    if (!tokens.skip('operator', ',')) break
    isTuple = true
  }
  if (!isTuple && items.length === 1) return items[0]
  if (!isTuple && !inBrackets) tokens.fail(`expected an expression, got ${describe(tokens.current)}`)
  return { kind: 'tuple', items }
}

export function isTupleEnd(tokens: Tokens, endsAt: string): boolean {
  return (
    tokens.is('end') ||
    tokens.is('endprint') ||
    tokens.is('operator', ')') ||
    (endsAt !== '' && tokens.is('name', endsAt))
  )
}

function parseIf(tokens: Tokens): Expression {
  let value = parseOr(tokens)
  while (tokens.is('name', 'if')) {
    const { line } = tokens.next()
    const test = parseOr(tokens)
    const otherwise = tokens.skip('name', 'else') ? tokens.nested(() => parseIf(tokens)) : undefined
    value = { kind: 'if', test, value, otherwise, line }
  }
  return value
}

function parseOr(tokens: Tokens): Expression {
  let left = parseAnd(tokens)
  while (tokens.skip('name', 'or')) left = { kind: 'or', left, right: parseAnd(tokens) }
  return left
}

function parseAnd(tokens: Tokens): Expression {
  let left = parseNot(tokens)
  while (tokens.skip('name', 'and')) left = { kind: 'and', left, right: parseNot(tokens) }
  return left
}

function parseNot(tokens: Tokens): Expression {
  if (!tokens.skip('name', 'not')) return parseCompare(tokens)
  return { kind: 'not', of: tokens.nested(() => parseNot(tokens)) }
}

const COMPARISONS: ReadonlySet<string> = new Set(['==', '!=', '<', '<=', '>', '>='])

function parseCompare(tokens: Tokens): Expression {
  const first = parseSum(tokens)
  const rest: { operator: Comparison; value: Expression }[] = []
  for (let operator = comparison(tokens); operator !== undefined; operator = comparison(tokens)) {
    rest.push({ operator, value: parseSum(tokens) })
  }
  return rest.length === 0 ? first : { kind: 'compare', first, rest }
}

function comparison(tokens: Tokens): Comparison | undefined {
  const { kind, text } = tokens.current
  if (kind === 'operator' && isComparison(text)) {
    tokens.next()
    return text
  }
  if (tokens.skip('name', 'in')) return 'in'
  if (!tokens.is('name', 'not') || tokens.following.kind !== 'name' || tokens.following.text !== 'in')
    return undefined
  tokens.next()
  tokens.next()
  return 'notin'
}

function isComparison(text: string): text is Comparison {
  return COMPARISONS.has(text)
}

function parseSum(tokens: Tokens): Expression {
  return binaryChain(tokens, ['+', '-'], parseConcat)
}

function parseConcat(tokens: Tokens): Expression {
  const items = [parseProduct(tokens)]
  while (tokens.skip('operator', '~')) items.push(parseProduct(tokens))
  return items.length === 1 ? items[0] : { kind: 'concat', items }
}

function parseProduct(tokens: Tokens): Expression {
  return binaryChain(tokens, ['*', '/', '//', '%'], parsePower)
}

function parsePower(tokens: Tokens): Expression {
  return binaryChain(tokens, ['**'], (inner) => parseUnary(inner))
}

function binaryChain(
  tokens: Tokens,
  operators: readonly BinaryOperator[],
  parse: (tokens: Tokens) => Expression,
): Expression {
  let left = parse(tokens)
  for (;;) {
    const operator = operators.find((candidate) => tokens.is('operator', candidate))
    if (operator === undefined) return left
    tokens.next()
    left = { kind: 'binary', operator, left, right: parse(tokens) }
  }
}

function parseUnary(tokens: Tokens, withFilter: boolean = true): Expression {
  const operator = tokens.is('operator', '-') ? '-' : tokens.is('operator', '+') ? '+' : undefined
  let value: Expression
  if (operator === undefined) value = parsePrimary(tokens)
  else {
    tokens.next()
    value = { kind: 'unary', operator, of: tokens.nested(() => parseUnary(tokens, false)) }
  }
  value = parsePostfix(tokens, value)
  return withFilter ? parseFilters(tokens, value) : value
}

const CONSTANTS = new Map([
  ['true', true],
  ['True', true],
  ['false', false],
  ['False', false],
  ['none', null],
  ['None', null],
])

function parsePrimary(tokens: Tokens): Expression {
  const { kind, text, value } = tokens.current
  if (kind === 'name') {
    tokens.next()
    const constant = CONSTANTS.get(text)
    return constant === undefined ? { kind: 'name', name: text } : { kind: 'constant', value: constant }
  }
  if (kind === 'text') {
    let joined = ''
    while (tokens.is('text')) joined += tokens.next().text
    return { kind: 'constant', value: joined }
  }
  if (kind === 'number') {
    tokens.next()
    return { kind: 'constant', value }
  }
  if (tokens.skip('operator', '(')) {
    const inner = parseTuple(tokens, { inBrackets: true })
    tokens.expect('operator', ')')
    return inner
  }
  if (tokens.skip('operator', '['))
    return { kind: 'list', items: parseItems(tokens, ']', () => parseExpression(tokens)) }
  if (tokens.skip('operator', '{'))
    return { kind: 'dict', pairs: parseItems(tokens, '}', () => parsePair(tokens)) }
  return tokens.fail(`unexpected ${describe(tokens.current)}`)
}

function parseItems<T>(tokens: Tokens, close: string, parse: () => T): T[] {
  const items: T[] = []
  while (!tokens.is('operator', close)) {
    if (items.length > 0) {
      tokens.expect('operator', ',')
      if (tokens.is('operator', close)) break
    }
    items.push(parse())
  }
  tokens.next()
  return items
}

function parsePair(tokens: Tokens): readonly [Expression, Expression] {
  const key = parseExpression(tokens)
  tokens.expect('operator', ':')
  return [key, parseExpression(tokens)]
}

export function parsePostfix(tokens: Tokens, start: Expression): Expression {
  let value = start
  for (;;) {
    if (tokens.is('operator', '.') || tokens.is('operator', '[')) value = parseSubscript(tokens, value)
    else if (tokens.is('operator', '(')) value = parseCall(tokens, value)
    else return value
  }
}

function parseCall(tokens: Tokens, callee: Expression): Expression & { kind: 'call' } {
  const { line } = tokens.current
  return { kind: 'call', callee, args: parseArguments(tokens), line }
}

function parseSubscript(tokens: Tokens, of: Expression): Expression {
  if (tokens.skip('operator', '.')) {
    const token = tokens.next()
    if (token.kind === 'name') return { kind: 'attribute', of, name: token.text }
    if (token.kind !== 'number' || token.text.includes('.')) tokens.fail('expected name or number')
    return { kind: 'item', of, key: { kind: 'constant', value: token.value } }
  }
  tokens.next()
  const keys = parseItems(tokens, ']', () => parseSubscribed(tokens))
  if (keys.length === 1 && Array.isArray(keys[0])) return { kind: 'slice', of, bounds: keys[0] }
  const plain = keys.map((key) => (isExpression(key) ? key : tokens.fail('a slice must stand alone')))
  return { kind: 'item', of, key: plain.length === 1 ? plain[0] : { kind: 'tuple', items: plain } }
}

function isExpression(key: Expression | (Expression | undefined)[]): key is Expression {
  return !Array.isArray(key)
}

/** An index, or the bounds of a slice. */
function parseSubscribed(tokens: Tokens): Expression | (Expression | undefined)[] {
  const isBoundEnd = (): boolean => [':', ']', ','].some((end) => tokens.is('operator', end))
  const first = tokens.is('operator', ':') ? undefined : parseExpression(tokens)
  if (first !== undefined && !tokens.is('operator', ':')) return first
  const bounds = [first]
  while (bounds.length < 3 && tokens.skip('operator', ':'))
    bounds.push(isBoundEnd() ? undefined : parseExpression(tokens))
  return bounds
}

export function parseArguments(tokens: Tokens): Arguments {
  tokens.expect('operator', '(')
  const list: Expression[] = []
  const named: { name: string; value: Expression }[] = []
  let more: Expression | undefined
  let moreNamed: Expression | undefined
  const ensure = (isFine: boolean): void => {
    if (!isFine) tokens.fail('invalid syntax for function call expression')
  }
  let isFirst = true
  while (!tokens.is('operator', ')')) {
    if (!isFirst) {
      tokens.expect('operator', ',')
      if (tokens.is('operator', ')')) break
    }
    isFirst = false
    if (tokens.skip('operator', '*')) {
      ensure(more === undefined && moreNamed === undefined)
      more = parseExpression(tokens)
    } else if (tokens.skip('operator', '**')) {
      ensure(moreNamed === undefined)
      moreNamed = parseExpression(tokens)
    } else if (tokens.is('name') && tokens.following.kind === 'operator' && tokens.following.text === '=') {
      ensure(moreNamed === undefined)
      const name = tokens.next().text
      tokens.next()
      named.push({ name, value: parseExpression(tokens) })
    } else {
      ensure(more === undefined && moreNamed === undefined && named.length === 0)
      list.push(parseExpression(tokens))
    }
  }
  tokens.next()
  return { list, named, more, moreNamed }
}

const NO_ARGUMENTS: Arguments = { list: [], named: [], more: undefined, moreNamed: undefined }

function parseFilters(tokens: Tokens, start: Expression): Expression {
  let value = start
  for (;;) {
    if (tokens.is('operator', '|')) value = parseFilter(tokens, value)
    else if (tokens.is('name', 'is')) value = parseTest(tokens, value)
    else if (tokens.is('operator', '(')) value = parseCall(tokens, value)
    else return value
  }
}

/** The filters that follow, applied to `start`. `isOpened`: the first one has no `|` before it. */
export function parseFilter(tokens: Tokens, start: Expression, isOpened: boolean = false): Expression {
  let value = start
  for (let opened = isOpened; opened || tokens.skip('operator', '|'); opened = false) {
    const { line } = tokens.current
    const name = parseDottedName(tokens)
    const args = tokens.is('operator', '(') ? parseArguments(tokens) : NO_ARGUMENTS
    value = { kind: 'filter', of: value, name, args, line }
  }
  return value
}

function parseDottedName(tokens: Tokens): string {
  let name = tokens.expect('name').text
  while (tokens.skip('operator', '.')) name += `.${tokens.expect('name').text}`
  return name
}

function parseTest(tokens: Tokens, of: Expression): Expression {
  const { line } = tokens.next()
  const isNegated = tokens.skip('name', 'not')
  const name = parseDottedName(tokens)
  let args = NO_ARGUMENTS
  if (tokens.is('operator', '(')) args = parseArguments(tokens)
  else if (startsArgument(tokens)) {
    if (tokens.is('name', 'is')) tokens.fail('You cannot chain multiple tests with is')
    args = { ...NO_ARGUMENTS, list: [parsePostfix(tokens, parsePrimary(tokens))] }
  }
  const test: Expression = { kind: 'test', of, name, args, line }
  return isNegated ? { kind: 'not', of: test } : test
}

function startsArgument(tokens: Tokens): boolean {
  if (tokens.is('name')) return !['else', 'or', 'and'].includes(tokens.current.text)
  return tokens.is('text') || tokens.is('number') || tokens.is('operator', '[') || tokens.is('operator', '{')
}
