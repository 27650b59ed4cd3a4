/** The tables that a template is compiled with: filters and tests by name. */
import { templateError } from './errors.ts'
import type { Run } from './run.ts'
import type { Kwargs, Value } from './values.ts'

export interface Use {
  readonly run: Run
  readonly environment: Environment
}

export type Filter = (use: Use, value: Value, args: readonly Value[], kwargs: Kwargs) => Value
export type Test = (use: Use, value: Value, args: readonly Value[], kwargs: Kwargs) => boolean

export interface Environment {
  readonly filters: ReadonlyMap<string, Filter>
  readonly tests: ReadonlyMap<string, Test>
}

export function filterNamed({ filters }: Environment, name: string): Filter {
  const filter = filters.get(name)
  if (filter === undefined) throw templateError(`No filter named '${name}'`)
  return filter
}

export function testNamed({ tests }: Environment, name: string): Test {
  const test = tests.get(name)
  if (test === undefined) throw templateError(`No test named '${name}'`)
  return test
}
