/** Names of a template while it runs: scopes within scopes, down to the variables that it was given. */
import { templateError } from './errors.ts'
import type { Target } from './nodes.ts'
import type { Run } from './run.ts'
import { checkedName } from './globals.ts'
import { listOf } from './iterate.ts'
import { Namespace, Undefined, type Value } from './values.ts'

export interface Scope {
  readonly run: Run
  readonly names: Map<string, Value>
  readonly parent: Scope | undefined
}

export function childOf(parent: Scope): Scope {
  return { run: parent.run, names: new Map(), parent }
}

export function lookup(scope: Scope, name: string): Value {
  for (let at: Scope | undefined = scope; at !== undefined; at = at.parent) {
    const value = at.names.get(name)
    if (value !== undefined) return value
  }
  return new Undefined(`'${name}' is undefined`)
}

export type Assign = (scope: Scope, value: Value) => void

export function compileTarget(target: Target): Assign {
  if (target.kind === 'name') return ({ names }, value) => void names.set(target.name, value)
  if (target.kind === 'namespace') {
    return (scope, value) => {
      const namespace = lookup(scope, target.name)
      if (!(namespace instanceof Namespace))
        throw templateError('cannot assign attribute on non-namespace object')
      namespace.attributes.set(checkedName(target.attribute), value)
    }
  }
  const targets = target.items.map(compileTarget)
  return (scope, value) => {
    const values = listOf(scope.run, value)
    if (values.length !== targets.length) {
      throw templateError(`expected ${targets.length} values to unpack, got ${values.length}`)
    }
    targets.forEach((assign, i) => assign(scope, values[i]))
  }
}

/** The text that `body` writes, instead of writing it. */
export function captured(run: Run, body: () => void): string {
  const { out, isRoot } = run
  run.out = ''
  run.isRoot = false
  body()
  const text = run.out
  run.out = out
  run.isRoot = isRoot
  return text
}
