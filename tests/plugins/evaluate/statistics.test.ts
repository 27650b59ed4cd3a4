/** Measures with their intervals, and differences over the same items. */
import { expect, test } from 'bun:test'
import { matches } from '../../../plugins/evaluate/measures/matches.ts'
import { MEASURE_FACTS } from '../../../plugins/evaluate/measures/measures.ts'
import { differenceOf, type ItemScore, measureOf } from '../../../plugins/evaluate/measures/statistics.ts'
import { createRandom } from '../../../core/mod.ts'

const ones = (right: number, all: number): ItemScore[] =>
  Array.from({ length: all }, (_, i) => ({ value: i < right ? 1 : 0, weight: 1 }))

test("a proportion has Wilson's interval and the standard error of a mean", () => {
  const { value, low, high, stderr } = measureOf(ones(8, 10), MEASURE_FACTS.acc)
  expect(value).toBe(0.8)
  // statsmodels.stats.proportion.proportion_confint(8, 10, method='wilson')
  expect(low).toBeCloseTo(0.4901624715366499, 9)
  expect(high).toBeCloseTo(0.9433178485456247, 9)
  expect(stderr).toBeCloseTo(Math.sqrt((0.8 * 0.2) / 9), 12)
  expect(measureOf(ones(0, 5), MEASURE_FACTS.acc)).toMatchObject({ value: 0, low: 0 })
})

test('the interval of a mean of ratios covers the truth about as often as it says', () => {
  const random = createRandom(5)
  let covered = 0
  for (let trial = 0; trial < 60; trial++) {
    const scores = Array.from({ length: 40 }, () => ({ value: -3 * 10 + 4 * random.normal(), weight: 10 }))
    const { low, high } = measureOf(scores, MEASURE_FACTS.token_perplexity)
    if ((low ?? 0) <= Math.exp(3) && Math.exp(3) <= (high ?? 0)) covered++
  }
  expect(covered).toBeGreaterThan(50)
})

test('a difference over the same items is clear where it is the same everywhere, and its sign is that of the measure', () => {
  const before = Array.from({ length: 12 }, (_, i) => ({ value: -30 - 5 * (i % 4), weight: 10 }))
  const after = before.map(({ value, weight }) => ({ value: value + 2, weight }))
  const found = differenceOf(before, after, MEASURE_FACTS.token_perplexity)
  expect(found.value).toBeLessThan(0)
  expect(found.high ?? 0).toBeLessThan(0)
  expect(found.verdict).toBe('better')
  expect(differenceOf(after, before, MEASURE_FACTS.token_perplexity).verdict).toBe('worse')
  expect(differenceOf(ones(5, 10), ones(6, 10), MEASURE_FACTS.acc).verdict).toBe('unclear')
  expect(differenceOf(before, before, MEASURE_FACTS.token_perplexity)).toEqual({
    value: 0,
    low: 0,
    high: 0,
    verdict: 'unclear',
  })
  expect(differenceOf(ones(0, 1), ones(1, 1), MEASURE_FACTS.acc)).toEqual({
    value: 1,
    low: null,
    high: null,
    verdict: 'unclear',
  })
})

test('texts match apart from what does not count', () => {
  const options = { ignoreCase: true, ignorePunctuation: true, ignoreNumbers: true, ignored: [/^\s+|\s+$/gu] }
  expect(matches(' The Whale, 42!\n', 'the whale ', options)).toBe(false)
  expect(matches(' The Whale!\n', 'the whale', options)).toBe(true)
  expect(matches('a', 'A', { ...options, ignoreCase: false })).toBe(false)
})
