/** Macros and the bodies of `call` blocks: named texts with parameters. */
import { compileExpression, type CompileContext } from './compile-expression.ts'
import { templateError } from './errors.ts'
import type { Parameter, Statement } from './nodes.ts'
import { captured, childOf, type Scope } from './scope.ts'
import { Dict, Instance, type Kwargs, orElse, Tuple, Undefined, type Value } from './values.ts'
import { usesName } from './uses-name.ts'

export interface MacroNode {
  /** undefined for the body of a call block. */
  readonly name: string | undefined
  readonly parameters: readonly Parameter[]
  readonly body: readonly Statement[]
}

/** Gives the macro for the scope in which it is defined. `run`: executes the compiled body. */
export function compileMacro(
  { name, parameters, body }: MacroNode,
  context: CompileContext,
  execute: (scope: Scope) => void,
): (scope: Scope) => Instance {
  const names = parameters.map((parameter) => parameter.name)
  const fallbacks = parameters.map(
    ({ fallback }) => fallback && compileExpression(fallback, { ...context, isSoft: false }),
  )
  const special = (word: string): boolean => !names.includes(word) && usesName(body, word)
  const takes = { caller: special('caller'), kwargs: special('kwargs'), varargs: special('varargs') }
  const isCallerNamed = names.includes('caller')
  const label = name === undefined ? 'anonymous' : `'${name}'`

  /** Names → values, as the macro sees them before its defaults. */
  function bindArguments(args: readonly Value[], given: Kwargs): Map<string, Value> {
    const bound = new Map<string, Value>()
    const rest = new Map(given)
    names.forEach((parameter, i) => {
      const value = i < args.length ? args[i] : rest.get(parameter)
      if (i >= args.length) rest.delete(parameter)
      if (value !== undefined) bound.set(parameter, value)
    })
    if (takes.caller) {
      bound.set('caller', rest.get('caller') ?? new Undefined('No caller defined'))
      rest.delete('caller')
    }
    if (takes.kwargs) {
      const dict = new Dict()
      for (const [key, value] of rest) dict.set(key, value)
      bound.set('kwargs', dict)
    } else if (rest.size > 0) {
      throw templateError(`macro ${label} takes no keyword argument '${[...rest.keys()][0]}'`)
    }
    if (takes.varargs) bound.set('varargs', new Tuple(args.slice(names.length)))
    else if (args.length > names.length)
      throw templateError(`macro ${label} takes not more than ${names.length} argument(s)`)
    return bound
  }

  const about: Readonly<Record<string, Value>> = {
    name: name ?? null,
    arguments: new Tuple(names),
    catch_kwargs: takes.kwargs,
    catch_varargs: takes.varargs,
    caller: takes.caller || isCallerNamed,
    explicit_caller: isCallerNamed,
  }
  return (outer) =>
    new Instance('Macro', {
      text: () => `<Macro ${label}>`,
      attribute: (key) => (Object.hasOwn(about, key) ? about[key] : undefined),
      call(run, args, kwargs) {
        run.enter()
        const scope: Scope = { ...childOf(outer), names: bindArguments(args, kwargs) }
        parameters.forEach((parameter, i) => {
          if (scope.names.has(parameter.name)) return
          scope.names.set(
            parameter.name,
            orElse(
              fallbacks[i]?.(scope),
              () => new Undefined(`parameter '${parameter.name}' was not provided`),
            ),
          )
        })
        const text = captured(run, () => execute(scope))
        run.leave()
        return text
      },
    })
}
