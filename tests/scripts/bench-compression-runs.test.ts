/**
 * `bench compression`: how a rate is searched, what is kept of finished runs, and how sure a gap is.
 */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sourceVersion } from '../../scripts/bench/compression/_source-version.ts'
import { meanInterval } from '../../scripts/bench/compression/interval.ts'
import { openRunCache } from '../../scripts/bench/compression/run-cache.ts'
import type { Outcome } from '../../scripts/bench/compression/simulate.ts'
import { searchRate } from '../../scripts/bench/compression/tune.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tritune-runs-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

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

describe('finished runs', () => {
  const outcome: Outcome = {
    chosenBy: 2,
    reported: Infinity,
    sentBytes: 3,
    receivedBytes: 4,
    denseBytes: 5,
    stepSeconds: 6,
    codecSeconds: 7,
    kept: 0.8,
    backlog: 0.9,
  }
  const settings = { steps: 300, seed: 1 }
  const never = (): Outcome => {
    throw new Error('made again')
  }
  test('are read again, whatever the order of their settings', () => {
    const cache = openRunCache(folder, 'a')
    expect(cache.outcomeOf(settings, () => outcome)).toEqual({ outcome, isKept: false })
    expect(openRunCache(folder, 'a').outcomeOf({ seed: 1, steps: 300 }, never)).toEqual({
      outcome,
      isKept: true,
    })
  })
  test('of other settings or sources are others', () => {
    openRunCache(folder, 'a').outcomeOf(settings, () => outcome)
    expect(openRunCache(folder, 'a').outcomeOf({ ...settings, seed: 2 }, () => outcome).isKept).toBe(false)
    expect(openRunCache(folder, 'b').outcomeOf(settings, () => outcome).isKept).toBe(false)
    expect(readdirSync(folder)).toHaveLength(3)
  })
  test('that fail are not kept, nor is anything without a folder', () => {
    const cache = openRunCache(folder, 'a')
    expect(() => cache.outcomeOf(settings, never)).toThrow('made again')
    expect(openRunCache(null, 'a').outcomeOf(settings, () => outcome).isKept).toBe(false)
    expect(readdirSync(folder)).toHaveLength(0)
  })
  test.each(['{', '{}', '{"outcome": {"chosenBy": 1}}', 'null'])(
    'a file of %p is an error with its name',
    (text) => {
      const cache = openRunCache(folder, 'a')
      cache.outcomeOf(settings, () => outcome)
      const [name] = readdirSync(folder)
      writeFileSync(join(folder, name), text)
      expect(() => cache.outcomeOf(settings, never)).toThrow(name)
    },
  )
})

describe('the version of sources', () => {
  const write = (name: string, text: string): void => writeFileSync(join(folder, name), text)
  test('is of all that is imported, and of nothing else', () => {
    mkdirSync(join(folder, 'deep'))
    write(
      'a.ts',
      "import {\n  b,\n} from './deep/b.ts'\nimport type { T } from './types.ts'\nimport 'elsewhere'\n",
    )
    write('deep/b.ts', "export * from '../c.ts'\nexport const d = import('./d.ts')\n")
    write('c.ts', "export { a } from './a.ts'\n")
    write('deep/d.ts', '1')
    const version = (): string => sourceVersion([join(folder, 'a.ts')], ['library'])
    let before = version()
    write('types.ts', '2')
    expect(version()).toBe(before)
    for (const [name, text] of [
      ['deep/d.ts', '2'],
      ['c.ts', "export { a } from './a.ts' // more\n"],
      ['deep/b.ts', "export * from '../c.ts'\n"],
    ]) {
      write(name, text)
      expect(version()).not.toBe(before)
      before = version()
    }
    expect(sourceVersion([join(folder, 'a.ts')], ['another'])).not.toBe(version())
  })
  test('a file that is not there is an error', () => {
    write('a.ts', "import { b } from './b.ts'\n")
    expect(() => sourceVersion([join(folder, 'a.ts')])).toThrow('b.ts')
  })
})

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
