/**
 * How a learning rate is searched: upwards first, with as many tries for everyone.
 */
import { describe, expect, test } from 'bun:test'
import { searchRate } from '../../../scripts/bench/runs/search-rate.ts'

describe('the search for a rate', () => {
  /** Best at `best`; which powers were run, in their order. */
  function search(best: number, options: { start?: number; tries: number }): [number, boolean, number[]] {
    const run: number[] = []
    const { power, isInterior, tries } = searchRate(
      (at) => {
        run.push(at)
        return Math.abs(at - best)
      },
      (distance) => distance,
      options,
    )
    expect(tries).toBe(run.length)
    return [power, isInterior, run]
  }
  test('goes upwards first, and downwards from there', () => {
    expect(search(0, { tries: 5 })).toEqual([0, true, [0, 1, -1]])
    expect(search(2, { tries: 5 })).toEqual([2, true, [0, 1, 2, 3]])
    expect(search(-2, { tries: 5 })).toEqual([-2, true, [0, 1, -1, -2, -3]])
    expect(search(1, { start: 1, tries: 3 })).toEqual([1, true, [1, 2, 0]])
  })
  test('ends with its tries, and says that the best is at their edge', () => {
    expect(search(9, { tries: 3 })).toEqual([2, false, [0, 1, 2]])
    expect(search(0, { tries: 1 })).toEqual([0, false, [0]])
  })
  test('a rate that came to NaN is not taken', () => {
    const losses = new Map([
      [0, 2],
      [1, Infinity],
      [-1, 3],
    ])
    const found = searchRate(
      (power) => losses.get(power) ?? 9,
      (loss) => loss,
      { tries: 5 },
    )
    expect(found).toEqual({ power: 0, best: 2, isInterior: true, tries: 3 })
  })
})
