import { describe, expect, test } from 'bun:test'
import * as v from 'valibot'
import { ConfigError, defineConfig, formatPath } from '../../core/contracts/config.ts'
import type { ConfigRule } from '../../core/contracts/config.ts'
import {
  decimal,
  flag,
  integer,
  listOf,
  nullable,
  oneOf,
  optional,
  text,
} from '../../core/contracts/config-fields.ts'
import type { Field } from '../../core/contracts/config-fields.ts'

interface Demo {
  rank: number
  mode: 'fast' | 'slow'
  parts: { name: string }[]
}

const schema: Field<Demo> = v.strictObject({
  rank: integer({ min: 1 }),
  mode: optional(oneOf(['fast', 'slow'], { later: ['wild'] }), 'fast'),
  parts: optional(listOf(v.strictObject({ name: text() })), []),
})
const rule: ConfigRule<Demo> = ({ rank, mode }) =>
  rank > 8 && mode === 'fast' ? { path: ['rank'], what: 'is too large for fast' } : undefined
const demo = defineConfig(schema, [rule])

function failure(input: unknown): ConfigError {
  try {
    demo.validate(input)
  } catch (error) {
    if (error instanceof ConfigError) return error
    throw error
  }
  throw new Error('expected a failure')
}

describe('defineConfig()', () => {
  test('`validate()` fills in defaults, also for null', () => {
    expect(demo.validate({ rank: 2, mode: null })).toEqual({ rank: 2, mode: 'fast', parts: [] })
  })

  test('`validate()` names field, expectation and value', () => {
    const error = failure({ rank: 'eight' })
    expect(error.message).toBe('rank: expected an integer ≥ 1, got "eight"')
    expect(error.code).toBe('E_CONFIG')
    expect(failure({ rank: 0.5 }).message).toBe('rank: expected an integer ≥ 1, got 0.5')
  })

  test('`validate()` names every unknown key with the nearest known one', () => {
    const error = failure({ rank: 1, rnk: 2, mod: 'fast' })
    expect(error.code).toBe('E_CONFIG_KEY')
    expect(error.failures.map(({ what }) => what)).toEqual([
      'unknown key "rnk"; did you mean "rank"?',
      'unknown key "mod"; did you mean "mode"?',
    ])
  })

  test('`validate()` finds the known keys inside lists', () => {
    expect(failure({ rank: 1, parts: [{ name: 'a' }, { nam: 'b', name: 'c' }] }).message).toBe(
      'parts[1].nam: unknown key "nam"; did you mean "name"?',
    )
  })

  test('`validate()` says which key is missing', () => {
    expect(failure({}).message).toBe('rank: this key is required')
  })

  test('`validate()` tells an unsupported value from a mistyped one', () => {
    expect(failure({ rank: 1, mode: 'wild' }).message).toBe(
      'mode: "wild" is not supported yet; use one of fast, slow',
    )
    expect(failure({ rank: 1, mode: 'fats' }).message).toContain('did you mean "fast"?')
  })

  test('`validate()` runs the rules once the fields are right', () => {
    expect(failure({ rank: 9 }).message).toBe('rank: is too large for fast')
    expect(demo.validate({ rank: 9, mode: 'slow' }).rank).toBe(9)
  })

  test('the remedy of one failure is that of the error', () => {
    const failures = [{ path: ['a'], what: 'is wrong', remedy: 'mend it' }]
    expect(new ConfigError(failures)).toMatchObject({
      remedy: 'mend it',
      message: 'a: is wrong\n  → mend it',
    })
    const two = new ConfigError([...failures, { path: ['b'], what: 'too' }])
    expect(two.message).toBe('a: is wrong\n  → mend it\nb: too')
    expect(two.remedy).toBeUndefined()
  })

  test('`validate()` lists all failures', () => {
    expect(failure({ rank: 0, mode: 3 }).message.split('\n')).toHaveLength(2)
  })

  test('`validate()` runs the rules that read only fields that are right', () => {
    const both = defineConfig(schema, [
      rule,
      ({ mode }) => (mode === 'slow' ? { path: ['mode'], what: 'is too slow' } : undefined),
    ])
    const messages = (input: unknown): string[] => {
      try {
        both.validate(input)
      } catch (error) {
        if (error instanceof ConfigError) return error.message.split('\n')
        throw error
      }
      return []
    }
    expect(messages({ mode: 'slow', rank: 'x', other: 1 })).toEqual([
      'rank: expected an integer ≥ 1, got "x"',
      'other: unknown key "other"; known: rank, mode, parts',
      'mode: is too slow',
    ])
    // What is known once; what is near each time.
    expect(messages({ rank: 4, datasets: 1, rnk: 2, seed_of_all: 3 })).toEqual([
      'datasets: unknown key "datasets"; known: rank, mode, parts',
      'rnk: unknown key "rnk"; did you mean "rank"?',
      'seed_of_all: unknown key "seed_of_all"',
    ])
    expect(messages({ rank: 9, mode: 'wild' })).toHaveLength(1)
    expect(messages('text')).toHaveLength(1)
  })

  test('an error in a rule is not taken for a fault of the input', () => {
    const broken = defineConfig(schema, [
      () => {
        throw new RangeError('a bug')
      },
    ])
    expect(() => broken.validate({ rank: 'x' })).toThrow(RangeError)
  })
})

describe('fields', () => {
  test('`flag()` reads the words of YAML 1.1, 1 and 0, and nothing else', () => {
    for (const yes of ['yes', 'ON', 'true', true, 1]) expect(v.parse(flag(), yes)).toBe(true)
    for (const no of ['Off', 'no', false, 0]) expect(v.parse(flag(), no)).toBe(false)
    for (const other of ['perhaps', '', 2, null, 'y']) expect(v.safeParse(flag(), other).success).toBe(false)
  })

  test('numbers may be written as text, and then are numbers', () => {
    expect(v.parse(decimal({ above: 0 }), '2e-4')).toBe(2e-4)
    expect(v.parse(integer({ min: 1 }), '16')).toBe(16)
    for (const wrong of ['fast', '', ' ', '1 2', '0x10', 'Infinity', '1e', '.'])
      expect([wrong, v.safeParse(decimal(), wrong).success]).toEqual([wrong, false])
    expect(v.safeParse(integer(), '1.5').success).toBe(false)
  })

  test('`decimal()` respects open and closed bounds and refuses NaN', () => {
    const unit = decimal({ min: 0, below: 1 })
    expect(v.safeParse(unit, 0).success).toBe(true)
    expect(v.safeParse(unit, 1).success).toBe(false)
    expect(v.safeParse(unit, NaN).success).toBe(false)
    expect(v.safeParse(decimal(), Infinity).success).toBe(false)
  })

  test('`nullable()` turns "not given" into null', () => {
    expect(v.parse(nullable(text()), undefined)).toBeNull()
  })
})

test('`formatPath()` writes indices in brackets', () => {
  expect(formatPath(['datasets', 0, 'path'])).toBe('datasets[0].path')
})
