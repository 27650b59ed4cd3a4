/** Expressions → functions of a scope. */
import { attributeOf, itemOf, sliceOf } from './access.ts'
import { type Environment, filterNamed, testNamed } from './environment.ts'
import { templateError } from './errors.ts'
import { truth } from './iterate.ts'
import { listOf } from './iterate.ts'
import type { Arguments, Expression } from './nodes.ts'
import { binary, compare, concat, negated } from './operators.ts'
import { lookup, type Scope } from './scope.ts'
import { Dict, Instance, type Kwargs, textOf, Tuple, typeName, Undefined, type Value } from './values.ts'

export type Evaluate = (scope: Scope) => Value

export interface CompileContext {
  readonly environment: Environment
  /** Inside of an `if`, where an unknown filter is an error only when it is reached. */
  readonly isSoft: boolean
  readonly isInLoop: boolean
}

/** The name under which the text of a block waits for its filters. */
export const CAPTURED = '\0captured'

export function compileExpression(node: Expression, context: CompileContext): Evaluate {
  const inner = (expression: Expression): Evaluate => compileExpression(expression, context)
  switch (node.kind) {
    case 'constant':
      return () => node.value
    case 'name':
      return (scope) => lookup(scope, node.name)
    case 'captured':
      return (scope) => lookup(scope, CAPTURED)
    case 'list': {
      const items = node.items.map(inner)
      return (scope) => items.map((item) => item(scope))
    }
    case 'tuple': {
      const items = node.items.map(inner)
      return (scope) => new Tuple(items.map((item) => item(scope)))
    }
    case 'concat': {
      const items = node.items.map(inner)
      return (scope) =>
        concat(
          scope.run,
          items.map((item) => item(scope)),
        )
    }
    case 'dict': {
      const pairs = node.pairs.map(([key, value]) => [inner(key), inner(value)] as const)
      return (scope) => {
        const dict = new Dict()
        for (const [key, value] of pairs) dict.set(key(scope), value(scope))
        return dict
      }
    }
    case 'attribute': {
      const of = inner(node.of)
      return (scope) => attributeOf(scope.run, of(scope), node.name)
    }
    case 'item': {
      const [of, key] = [inner(node.of), inner(node.key)]
      return (scope) => itemOf(scope.run, of(scope), key(scope))
    }
    case 'slice': {
      const of = inner(node.of)
      const bounds = node.bounds.map((bound) => bound && inner(bound))
      return (scope) =>
        sliceOf(
          scope.run,
          of(scope),
          bounds.map((bound) => bound?.(scope)),
        )
    }
    case 'binary': {
      const [left, right] = [inner(node.left), inner(node.right)]
      return (scope) => binary(scope.run, node.operator, left(scope), right(scope))
    }
    case 'unary': {
      const of = inner(node.of)
      return (scope) => negated(node.operator, of(scope))
    }
    case 'not': {
      const of = inner(node.of)
      return (scope) => !truth(of(scope))
    }
    case 'and':
    case 'or': {
      const [left, right] = [inner(node.left), inner(node.right)]
      const goesOn = node.kind === 'and'
      return (scope) => {
        const value = left(scope)
        return truth(value) === goesOn ? right(scope) : value
      }
    }
    case 'compare':
      return compileComparison(node, inner)
    case 'if':
      return compileIf(node, { ...context, isSoft: true })
    case 'call': {
      const [callee, args] = [inner(node.callee), compileArguments(node.args, context)]
      return (scope) => {
        scope.run.line = node.line
        const { list, named } = args(scope)
        return callValue(scope, callee(scope), list, named)
      }
    }
    case 'filter':
      return compileFilter(node, context)
    case 'test':
      return compileTest(node, context)
    default:
      return node satisfies never
  }
}

export function callValue({ run }: Scope, callee: Value, args: readonly Value[], kwargs: Kwargs): Value {
  run.tick()
  if (callee instanceof Undefined) throw templateError(callee.message)
  if (callee instanceof Instance && callee.parts.call !== undefined)
    return callee.parts.call(run, args, kwargs)
  throw templateError(`'${typeName(callee)}' object is not callable`)
}

function compileComparison(
  node: Expression & { kind: 'compare' },
  inner: (node: Expression) => Evaluate,
): Evaluate {
  const first = inner(node.first)
  const rest = node.rest.map(({ operator, value }) => ({ operator, value: inner(value) }))
  return (scope) => {
    let left = first(scope)
    for (const { operator, value } of rest) {
      const right = value(scope)
      if (!compare(scope.run, operator, left, right)) return false
      left = right
    }
    return true
  }
}

function compileIf(node: Expression & { kind: 'if' }, context: CompileContext): Evaluate {
  const [test, value] = [node.test, node.value].map((part) => compileExpression(part, context))
  const otherwise = node.otherwise && compileExpression(node.otherwise, context)
  const missing = `the inline if-expression evaluated to false and no else section was defined (line ${node.line})`
  return (scope) => {
    if (truth(test(scope))) return value(scope)
    return otherwise === undefined ? new Undefined(missing) : otherwise(scope)
  }
}

function compileFilter(node: Expression & { kind: 'filter' }, context: CompileContext): Evaluate {
  const { environment } = context
  const of = compileExpression(node.of, context)
  const args = compileArguments(node.args, context)
  if (!context.isSoft) atLine(node.line, () => filterNamed(environment, node.name))
  return (scope) => {
    const value = of(scope)
    const { list, named } = args(scope)
    scope.run.line = node.line
    scope.run.tick()
    return filterNamed(environment, node.name)({ run: scope.run, environment }, value, list, named)
  }
}

function compileTest(node: Expression & { kind: 'test' }, context: CompileContext): Evaluate {
  const { environment } = context
  const of = compileExpression(node.of, context)
  const args = compileArguments(node.args, context)
  if (!context.isSoft) atLine(node.line, () => testNamed(environment, node.name))
  return (scope) => {
    const value = of(scope)
    const { list, named } = args(scope)
    scope.run.line = node.line
    scope.run.tick()
    return testNamed(environment, node.name)({ run: scope.run, environment }, value, list, named)
  }
}

function atLine(line: number, check: () => unknown): void {
  try {
    check()
  } catch (error) {
    throw templateError(error instanceof Error ? error.message : String(error), line)
  }
}

interface Evaluated {
  readonly list: readonly Value[]
  readonly named: Kwargs
}

const NOTHING: Evaluated = { list: [], named: new Map() }

export function compileArguments(args: Arguments, context: CompileContext): (scope: Scope) => Evaluated {
  const list = args.list.map((arg) => compileExpression(arg, context))
  const named = args.named.map(({ name, value }) => ({ name, value: compileExpression(value, context) }))
  const more = args.more && compileExpression(args.more, context)
  const moreNamed = args.moreNamed && compileExpression(args.moreNamed, context)
  if (list.length + named.length === 0 && more === undefined && moreNamed === undefined) return () => NOTHING
  return (scope) => {
    const values = list.map((arg) => arg(scope))
    if (more !== undefined) values.push(...listOf(scope.run, more(scope)))
    const names = new Map<string, Value>()
    const add = (name: string, value: Value): void => {
      if (names.has(name)) throw templateError(`got multiple values for keyword argument '${name}'`)
      names.set(name, value)
    }
    for (const { name, value } of named) add(name, value(scope))
    if (moreNamed !== undefined) {
      const dict = moreNamed(scope)
      if (!(dict instanceof Dict)) throw templateError('argument after ** must be a mapping')
      scope.run.chargeItems(dict.size)
      for (const { key, value } of dict.entries.values()) {
        const name = textOf(key)
        if (name === undefined) throw templateError('keywords must be strings')
        add(name, value)
      }
    }
    return { list: values, named: names }
  }
}
