/** Jinja's tests: `x is …`. */
import { positional } from './arguments.ts'
import type { Test } from './environment.ts'
import { iterator, truth } from './iterate.ts'
import { numberOf } from './numbers.ts'
import { binary, compare, type Comparison, equals, hasItems } from './operators.ts'
import { str } from './show.ts'
import { QUESTIONS } from './string-case.ts'
import {
  Dict,
  DictView,
  Float,
  Instance,
  Markup,
  Namespace,
  textOf,
  Undefined,
  type Value,
} from './values.ts'

/** A test of the value alone. */
function test(name: string, body: (value: Value) => boolean): Test {
  return (_use, value, args, kwargs) => {
    positional(name, 0, 0, args, kwargs)
    return body(value)
  }
}

function comparison(operator: Comparison): Test {
  return ({ run }, value, args, kwargs) => {
    const [other = null] = positional(operator, 1, 1, args, kwargs)
    return compare(run, operator, value, other)
  }
}

function remainder(divisor: number, wanted: number): Test {
  return ({ run }, value, args, kwargs) => {
    positional('the test', 0, 0, args, kwargs)
    return equals(run, binary(run, '%', value, divisor), wanted)
  }
}

const isInteger = (value: Value): boolean => typeof value === 'number' || typeof value === 'bigint'

export const TESTS: Readonly<Record<string, Test>> = {
  defined: test('defined', (value) => !(value instanceof Undefined)),
  undefined: test('undefined', (value) => value instanceof Undefined),
  none: test('none', (value) => value === null),
  boolean: test('boolean', (value) => typeof value === 'boolean'),
  true: test('true', (value) => value === true),
  false: test('false', (value) => value === false),
  integer: test('integer', isInteger),
  float: test('float', (value) => value instanceof Float),
  number: test('number', (value) => numberOf(value) !== undefined),
  string: test('string', (value) => textOf(value) !== undefined),
  mapping: test('mapping', (value) => value instanceof Dict),
  sequence: test('sequence', (value) => hasItems(value)),
  iterable: test('iterable', (value) => iterator(value) !== undefined),
  callable: test('callable', (value) =>
    (value instanceof Instance && value.parts.call !== undefined) || value instanceof Undefined),
  escaped: test('escaped', (value) => value instanceof Markup),
  lower: ({ run }, value) => QUESTIONS.islower(str(run, value)),
  upper: ({ run }, value) => QUESTIONS.isupper(str(run, value)),
  odd: remainder(2, 1),
  even: remainder(2, 0),
  divisibleby: ({ run }, value, args, kwargs) => {
    const [by = null] = positional('divisibleby', 1, 1, args, kwargs)
    return equals(run, binary(run, '%', value, by), 0)
  },
  filter: ({ environment }, value) => environment.filters.has(textOf(value) ?? ''),
  test: ({ environment }, value) => environment.tests.has(textOf(value) ?? ''),
  sameas: (_use, value, args, kwargs) => isSame(value, positional('sameas', 1, 1, args, kwargs)[0] ?? null),
  in: comparison('in'),
  '==': comparison('=='),
  eq: comparison('=='),
  equalto: comparison('=='),
  '!=': comparison('!='),
  ne: comparison('!='),
  '>': comparison('>'),
  gt: comparison('>'),
  greaterthan: comparison('>'),
  '>=': comparison('>='),
  ge: comparison('>='),
  '<': comparison('<'),
  lt: comparison('<'),
  lessthan: comparison('<'),
  '<=': comparison('<='),
  le: comparison('<='),
}

/** `is` of Python, as far as it does not depend on where a value lies. */
function isSame(a: Value, b: Value): boolean {
  if (a instanceof DictView || a instanceof Namespace) return a === b
  return a === b && (typeof a !== 'number' || truth(a) === truth(b))
}
