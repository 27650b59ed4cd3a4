/**
 * `bench compression`: how sure a gap is.
 */
import { describe, expect, test } from 'bun:test'
import { meanInterval } from '../../scripts/bench/compression/interval.ts'

describe('an interval', () => {
  test('is of Student', () => {
    // R: t.test(c(1, 2, 3, 4, 6))$conf.int
    const { mean, low, high } = meanInterval([1, 2, 3, 4, 6])
    expect(mean).toBeCloseTo(3.2, 12)
    expect(low).toBeCloseTo(0.8116, 3)
    expect(high).toBeCloseTo(5.5884, 3)
  })
  test('of two values is wide, of one without end, of equal ones a point', () => {
    expect(meanInterval([1, 3]).high).toBeCloseTo(2 + 12.706, 3)
    expect(meanInterval([1])).toEqual({ mean: 1, low: -Infinity, high: Infinity })
    expect(meanInterval([5, 5, 5])).toEqual({ mean: 5, low: 5, high: 5 })
  })
})
