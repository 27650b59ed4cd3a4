import { describe, expect, test } from 'bun:test'
import { didYouMean, nearestNames, TrituneError } from '../../core/mod.ts'

describe('TrituneError', () => {
  test('its message says place, what, and remedy', () => {
    const cause = new Error('inner')
    const error = new TrituneError('E_FILE', 'cannot be read', {
      place: 'a.yaml:3:1',
      remedy: 'check the path',
      cause,
    })
    expect(error.message).toBe('a.yaml:3:1: cannot be read\n  → check the path')
    expect([error.code, error.place, error.remedy, error.cause]).toEqual([
      'E_FILE',
      'a.yaml:3:1',
      'check the path',
      cause,
    ])
    expect(error).toBeInstanceOf(Error)
    expect(error.name).toBe('TrituneError')
  })
  test('place and remedy may be left out', () => {
    const error = new TrituneError('E_NAN', 'the loss is NaN')
    expect(error.message).toBe('the loss is NaN')
    expect([error.place, error.remedy]).toEqual([undefined, undefined])
  })
})

describe('nearestNames()', () => {
  const known = ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'learning_rate']

  test('`nearestNames()` finds one wrong, missing or extra letter', () => {
    expect(nearestNames('learning_rat', known)).toEqual(['learning_rate'])
    expect(nearestNames('learnin_rate', known)).toEqual(['learning_rate'])
    expect(nearestNames('learning__rate', known)).toEqual(['learning_rate'])
  })
  test('`nearestNames()` puts the best first, equals in alphabetical order, and stops at the limit', () => {
    expect(nearestNames('q_prjo', ['k_proj', 'q_proj'])[0]).toBe('q_proj')
    expect(nearestNames('x_proj', known)).toEqual(['k_proj', 'o_proj', 'q_proj'])
    expect(nearestNames('x_proj', known, 1)).toEqual(['k_proj'])
  })
  test('`nearestNames()` does not mind case', () => {
    expect(nearestNames('Q_PROJ', known)[0]).toBe('q_proj')
  })
  test('`nearestNames()` takes parts of a name', () => {
    expect(nearestNames('rate', known)).toContain('learning_rate')
  })
  test('`nearestNames()` leaves far names out', () => {
    expect(nearestNames('zzzzzzzz', known)).toEqual([])
  })
})

test('`nearestNames()` does not look for a very long name', () => {
  const known = Array.from({ length: 1000 }, (_, i) => `${'k'.repeat(90)}${i}`)
  const start = performance.now()
  expect(nearestNames('k'.repeat(1_000_000), known)).toEqual([])
  expect(performance.now() - start).toBeLessThan(1000)
})

describe('didYouMean()', () => {
  test('`didYouMean()` asks', () => {
    expect(didYouMean('lorra', ['lora', 'dora', 'full'])).toStartWith('did you mean "lora"')
  })
  test('`didYouMean()` lists everything when nothing is near, but not more than twenty', () => {
    expect(didYouMean('zzzzzzzz', ['lora', 'full'])).toBe('known: lora, full')
    const many = Array.from({ length: 30 }, (_, i) => `name${i}`)
    expect(didYouMean('zzzzzzzzzz', many)).toEndWith('name19, …')
  })
  test('`didYouMean()` says when there is nothing', () => {
    expect(didYouMean('x', [])).toBe('there are none')
  })
})
