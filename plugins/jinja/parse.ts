/** Statements of Jinja, with loop controls and `{% generation %}`. What needs other templates (include, extends…) is refused. */
import { tokenize } from './lexer.ts'
import type { Branch, Expression, Parameter, Statement, Target } from './nodes.ts'
import { isTupleEnd, parseExpression, parseFilter, parseTuple } from './parse-expression.ts'
import { describe, readTokens, type Tokens } from './tokens.ts'

export function parse(template: string): Statement[] {
  const tokens = readTokens(tokenize(template))
  return parseBody(tokens, [])
}

/** Up to one of the tags of `ends`, whose name is the current token then; without ends up to the end of the template. */
function parseBody(tokens: Tokens, ends: readonly string[]): Statement[] {
  const body: Statement[] = []
  for (;;) {
    const { kind, text, line } = tokens.next()
    if (kind === 'eof') {
      if (ends.length === 0) return body
      return tokens.fail(`the template ends without ${ends.join(' or ')}`)
    }
    if (kind === 'data') body.push({ kind: 'data', text, line })
    else if (kind === 'print') {
      body.push({ kind: 'print', value: parseTuple(tokens), line })
      tokens.expect('endprint')
    } else {
      if (tokens.is('name') && ends.includes(tokens.current.text)) return body
      body.push(tokens.nested(() => parseStatement(tokens)))
      tokens.expect('end')
    }
  }
}

/** A body with its opening `%}`; the tag that ends it is taken. */
function parseBlock(tokens: Tokens, ...ends: string[]): { body: Statement[]; end: string } {
  tokens.skip('operator', ':')
  tokens.expect('end')
  const body = parseBody(tokens, ends)
  return { body, end: tokens.next().text }
}

type Parser = (tokens: Tokens, line: number) => Statement

const STATEMENTS: Readonly<Record<string, Parser>> = {
  if: parseIf,
  for: parseFor,
  set: parseSet,
  macro(tokens, line) {
    const name = tokens.expect('name').text
    const parameters = parseParameters(tokens)
    return { kind: 'macro', name, parameters, body: parseBlock(tokens, 'endmacro').body, line }
  },
  call(tokens, line) {
    const parameters = tokens.is('operator', '(') ? parseParameters(tokens) : []
    const call = parseExpression(tokens)
    if (call.kind !== 'call') return tokens.fail('expected call')
    return { kind: 'call', parameters, call, body: parseBlock(tokens, 'endcall').body, line }
  },
  filter(tokens, line) {
    const filter = parseFilter(tokens, { kind: 'captured' }, true)
    return { kind: 'filter', filter, body: parseBlock(tokens, 'endfilter').body, line }
  },
  with: parseWith,
  print(tokens, line) {
    const values: Expression[] = []
    while (!tokens.is('end')) {
      if (values.length > 0) tokens.expect('operator', ',')
      values.push(parseExpression(tokens))
    }
    return { kind: 'print', value: { kind: 'concat', items: values }, line }
  },
  generation: (tokens, line) => ({
    kind: 'generation',
    body: parseBlock(tokens, 'endgeneration').body,
    line,
  }),
  block(tokens, line) {
    const name = tokens.expect('name').text
    tokens.skip('name', 'scoped')
    const { body } = parseBlock(tokens, 'endblock')
    tokens.skip('name', name)
    return { kind: 'scope', body, line }
  },
  break: (_tokens, line) => ({ kind: 'break', line }),
  continue: (_tokens, line) => ({ kind: 'continue', line }),
}

const REFUSED = ['include', 'import', 'from', 'extends', 'autoescape']

function parseStatement(tokens: Tokens): Statement {
  const { text, line } = tokens.current
  if (!tokens.is('name')) tokens.fail('tag name expected')
  const parser = Object.hasOwn(STATEMENTS, text) ? STATEMENTS[text] : undefined
  if (parser === undefined) {
    return tokens.fail(
      REFUSED.includes(text) ? `{% ${text} %} is not for chat templates` : `unknown tag '${text}'`,
    )
  }
  tokens.next()
  return parser(tokens, line)
}

function parseIf(tokens: Tokens, line: number): Statement {
  const branches: Branch[] = []
  let end = 'elif'
  while (end === 'elif') {
    const test = parseTuple(tokens, { withIf: false })
    const block = parseBlock(tokens, 'elif', 'else', 'endif')
    branches.push({ test, body: block.body })
    end = block.end
  }
  const otherwise = end === 'else' ? parseBlock(tokens, 'endif').body : []
  return { kind: 'if', branches, otherwise, line }
}

function parseFor(tokens: Tokens, line: number): Statement {
  const target = parseTarget(tokens, 'in')
  tokens.expect('name', 'in')
  const values = parseTuple(tokens, { withIf: false, endsAt: 'recursive' })
  const test = tokens.skip('name', 'if') ? parseExpression(tokens) : undefined
  const isRecursive = tokens.skip('name', 'recursive')
  const { body, end } = parseBlock(tokens, 'endfor', 'else')
  const otherwise = end === 'else' ? parseBlock(tokens, 'endfor').body : []
  return { kind: 'for', target, values, test, isRecursive, body, otherwise, line }
}

function parseSet(tokens: Tokens, line: number): Statement {
  const target = parseTarget(tokens, '', true)
  if (tokens.skip('operator', '=')) return { kind: 'set', target, value: parseTuple(tokens), line }
  const filter = parseFilter(tokens, { kind: 'captured' })
  return { kind: 'capture', target, filter, body: parseBlock(tokens, 'endset').body, line }
}

function parseWith(tokens: Tokens, line: number): Statement {
  const bindings: { target: Target; value: Expression }[] = []
  while (!tokens.is('end')) {
    if (bindings.length > 0) tokens.expect('operator', ',')
    const target = parseTarget(tokens, '')
    tokens.expect('operator', '=')
    bindings.push({ target, value: parseExpression(tokens) })
  }
  return { kind: 'with', bindings, body: parseBlock(tokens, 'endwith').body, line }
}

/** A name, a namespace's attribute, or several with commas between them. */
function parseTarget(tokens: Tokens, endsAt: string, withNamespace: boolean = false): Target {
  const items: Target[] = []
  let isTuple = false
  while (!isTupleEnd(tokens, endsAt)) {
    items.push(parseOneTarget(tokens, withNamespace))
    if (!tokens.skip('operator', ',')) break
    isTuple = true
  }
  if (items.length === 1 && !isTuple) return items[0]
  if (items.length === 0) tokens.fail(`expected a name, got ${describe(tokens.current)}`)
  return { kind: 'tuple', items }
}

function parseOneTarget(tokens: Tokens, withNamespace: boolean): Target {
  if (tokens.skip('operator', '(')) {
    const inner = tokens.nested(() => parseTarget(tokens, ''))
    tokens.expect('operator', ')')
    return inner
  }
  const { text } = tokens.expect('name')
  if (['true', 'false', 'none', 'True', 'False', 'None'].includes(text))
    tokens.fail(`can't assign to '${text}'`)
  if (withNamespace && tokens.skip('operator', '.')) {
    return { kind: 'namespace', name: text, attribute: tokens.expect('name').text }
  }
  return { kind: 'name', name: text }
}

function parseParameters(tokens: Tokens): Parameter[] {
  const parameters: Parameter[] = []
  tokens.expect('operator', '(')
  while (!tokens.is('operator', ')')) {
    if (parameters.length > 0) tokens.expect('operator', ',')
    const name = tokens.expect('name').text
    const fallback = tokens.skip('operator', '=') ? parseExpression(tokens) : undefined
    if (fallback === undefined && parameters.at(-1)?.fallback !== undefined) {
      tokens.fail('non-default argument follows default argument')
    }
    parameters.push({ name, fallback })
  }
  tokens.next()
  return parameters
}
