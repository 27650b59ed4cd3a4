/** Statements → functions that write to the run of a scope. */
import {
  CAPTURED,
  type CompileContext,
  compileArguments,
  compileExpression,
  callValue,
  type Evaluate,
} from './compile-expression.ts'
import { templateError } from './errors.ts'
import { requireIterator, truth } from './iterate.ts'
import { createLoop } from './loop.ts'
import { compileMacro } from './macro.ts'
import type { Statement } from './nodes.ts'
import { captured, childOf, compileTarget, type Scope } from './scope.ts'
import { str } from './show.ts'
import { Stream, type Value } from './values.ts'
import { assignsName, usesName } from './uses-name.ts'

/** How a body ended. */
export type Signal = undefined | 'break' | 'continue'
export type Execute = (scope: Scope) => Signal

export function compileBody(statements: readonly Statement[], context: CompileContext): Execute {
  const parts = statements.map((statement) => {
    const execute = compileStatement(statement, context)
    return (scope: Scope): Signal => {
      scope.run.line = statement.line
      scope.run.tick()
      return execute(scope)
    }
  })
  return (scope) => {
    for (const part of parts) {
      const signal = part(scope)
      if (signal !== undefined) return signal
    }
    return undefined
  }
}

function compileStatement(node: Statement, context: CompileContext): Execute {
  const hard: CompileContext = { ...context, isSoft: false }
  switch (node.kind) {
    case 'data':
      return writes(({ run }) => run.write(node.text))
    case 'print': {
      const value = compileExpression(node.value, context)
      return writes((scope) => scope.run.write(str(scope.run, value(scope))))
    }
    case 'if':
      return compileIf(node, { ...context, isSoft: true })
    case 'for':
      return compileFor(node, hard)
    case 'set': {
      const [assign, value] = [compileTarget(node.target), compileExpression(node.value, context)]
      return writes((scope) => assign(scope, value(scope)))
    }
    case 'capture': {
      const assign = compileTarget(node.target)
      const capture = compileCapture(node, hard)
      return (scope) => capture(scope, (value) => assign(scope, value))
    }
    case 'filter': {
      const capture = compileCapture(node, hard)
      return (scope) => capture(scope, (value) => scope.run.write(str(scope.run, value)))
    }
    case 'macro': {
      const macro = compileMacro(node, hard, compileBody(node.body, { ...hard, isInLoop: false }))
      return writes((scope) => void scope.names.set(node.name, macro(scope)))
    }
    case 'call':
      return compileCall(node, hard)
    case 'with': {
      const bindings = node.bindings.map(({ target, value }) => ({
        assign: compileTarget(target),
        value: compileExpression(value, context),
      }))
      const body = compileBody(node.body, hard)
      return (outer) => {
        const scope = childOf(outer)
        for (const { assign, value } of bindings) assign(scope, value(outer))
        return body(scope)
      }
    }
    case 'scope': {
      const body = compileBody(node.body, hard)
      return (scope) => body(childOf(scope))
    }
    case 'generation':
      return compileGeneration(compileBody(node.body, { ...hard, isInLoop: false }))
    case 'break':
    case 'continue':
      if (!context.isInLoop) throw templateError(`'${node.kind}' outside loop`, node.line)
      return () => node.kind
    default:
      return node satisfies never
  }
}

function writes(work: (scope: Scope) => void): Execute {
  return (scope) => {
    work(scope)
    return undefined
  }
}

function compileIf(node: Statement & { kind: 'if' }, context: CompileContext): Execute {
  const branches = node.branches.map(({ test, body }) => ({
    test: compileExpression(test, context),
    body: compileBody(body, context),
  }))
  const otherwise = compileBody(node.otherwise, context)
  return (scope) => {
    for (const { test, body } of branches) if (truth(test(scope))) return body(scope)
    return otherwise(scope)
  }
}

function compileFor(node: Statement & { kind: 'for' }, context: CompileContext): Execute {
  const assign = compileTarget(node.target)
  const values = compileExpression(node.values, context)
  const test = node.test && compileExpression(node.test, context)
  const body = compileBody(node.body, { ...context, isInLoop: true })
  const otherwise = compileBody(node.otherwise, context)
  if (assignsName(node, 'loop')) {
    throw templateError("can't assign to the special loop variable in a for-loop", node.line)
  }
  const hasLoop = node.isRecursive || usesName(node.body, 'loop')

  function* filtered(outer: Scope, source: Iterator<Value>, keeps: Evaluate): Generator<Value> {
    for (let next = source.next(); next.done !== true; next = source.next()) {
      outer.run.tick()
      const scope = childOf(outer)
      assign(scope, next.value)
      if (truth(keeps(scope))) yield next.value
    }
  }

  function iterate(outer: Scope, source: Value, depth: number): Signal {
    const { run } = outer
    const iterator = requireIterator(source)
    const chosen = test === undefined ? iterator : filtered(outer, iterator, test)
    const recurse = (items: Value): Value => {
      run.enter()
      const text = captured(run, () => void iterate(outer, items, depth + 1))
      run.leave()
      return text
    }
    const counted = test === undefined ? source : new Stream(chosen)
    const loop = hasLoop
      ? createLoop(counted, chosen, depth, node.isRecursive ? recurse : undefined)
      : undefined
    let isEmpty = true
    for (;;) {
      const next = loop === undefined ? nextOf(chosen) : loop.next()
      if (next === undefined) break
      run.tick()
      const scope = childOf(outer)
      assign(scope, next)
      if (loop !== undefined) scope.names.set('loop', loop.value)
      const signal = body(scope)
      if (signal === 'break') return undefined
      if (signal === undefined) isEmpty = false
    }
    return isEmpty ? otherwise(childOf(outer)) : undefined
  }
  return (scope) => iterate(scope, values(scope), 0)
}

function nextOf(iterator: Iterator<Value>): Value | undefined {
  const next = iterator.next()
  return next.done === true ? undefined : next.value
}

function compileCapture(
  { body, filter }: Statement & { kind: 'capture' | 'filter' },
  context: CompileContext,
): (scope: Scope, use: (value: Value) => void) => Signal {
  const execute = compileBody(body, context)
  const change = compileExpression(filter, context)
  return (outer, use) => {
    const scope = childOf(outer)
    let signal: Signal
    const text = captured(outer.run, () => {
      signal = execute(scope)
    })
    if (signal !== undefined) return signal
    scope.names.set(CAPTURED, text)
    use(change(scope))
    return undefined
  }
}

function compileCall(node: Statement & { kind: 'call' }, context: CompileContext): Execute {
  const callee = compileExpression(node.call.callee, context)
  const args = compileArguments(node.call.args, context)
  const body = compileBody(node.body, { ...context, isInLoop: false })
  const caller = compileMacro(
    { name: undefined, parameters: node.parameters, body: node.body },
    context,
    body,
  )
  return writes((scope) => {
    const { list, named } = args(scope)
    if (named.has('caller')) throw templateError("got multiple values for keyword argument 'caller'")
    const value = callValue(scope, callee(scope), list, new Map([...named, ['caller', caller(scope)]]))
    scope.run.write(str(scope.run, value))
  })
}

/** The text is written as it is; where it stands is remembered. */
function compileGeneration(body: Execute): Execute {
  return writes((outer) => {
    const { run } = outer
    const start = run.out.length
    // Its body is a function of its own in Jinja: what it sets is not seen outside.
    body(childOf(outer))
    if (!run.isRoot) run.generations = undefined
    else run.generations?.push({ start, end: run.out.length })
  })
}
