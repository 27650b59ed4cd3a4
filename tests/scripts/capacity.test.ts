/**
 * The capacity of item memories: the theory against all cases one by one, and against what is measured.
 */
import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { openCpu } from '../../plugins/cpu/mod.ts'
import { drawRecall } from '../../scripts/capacity/draw.ts'
import { measureRecall } from '../../scripts/capacity/measure.ts'
import { capacityOf, recallOf } from '../../scripts/capacity/theory.ts'

const TRITS = [-1, 0, 1]

/** All vectors of so many trits. */
function allVectors(dims: number): number[][] {
  return dims === 0 ? [[]] : allVectors(dims - 1).flatMap((rest) => TRITS.map((trit) => [...rest, trit]))
}

/** The share that is found, over all items, all noises and all other items. */
function recallByHand(dims: number, items: number, noise: number): number {
  const vectors = allVectors(dims)
  const dot = (a: readonly number[], b: readonly number[]): number =>
    a.reduce((sum, x, i) => sum + x * b[i], 0)
  let recall = 0
  for (const item of vectors)
    for (const query of vectors) {
      const likely = item.reduce((p, x, i) => p * (x === query[i] ? 1 - noise : noise / 2), 1)
      // Every combination of the others.
      let sets: number[][] = [[]]
      for (let n = 1; n < items; n++)
        sets = sets.flatMap((set) => vectors.map((other) => [...set, dot(other, query)]))
      const own = dot(item, query)
      const found = sets.map((others) => {
        const equal = others.filter((score) => score === own).length
        return others.some((score) => score > own) ? 0 : 1 / (equal + 1)
      })
      recall += (likely * found.reduce((sum, share) => sum + share, 0)) / (found.length * vectors.length)
    }
  return recall
}

describe('recallOf()', () => {
  test.each([
    [1, 2, 0],
    [1, 4, 0.3],
    [2, 2, 0.4],
    [2, 3, 0.1],
    [3, 2, 0.25],
  ])('%i dimensions, %i items, noise %d: as by hand', (dims, items, noise) => {
    expect(recallOf({ dims, items, noise })).toBeCloseTo(recallByHand(dims, items, noise), 10)
  })

  test('is 1 for one item, 1/N for what is nothing but noise, and falls with load and noise', () => {
    expect(recallOf({ dims: 40, items: 1, noise: 0.4 })).toBeCloseTo(1, 9)
    // A query that says nothing of its item.
    expect(recallOf({ dims: 40, items: 8, noise: 2 / 3 })).toBeCloseTo(1 / 8, 9)
    const shares = [10, 100, 1000, 1e4, 1e6].map((items) => recallOf({ dims: 64, items, noise: 0.3 }))
    expect(shares).toEqual(shares.toSorted((a, b) => b - a))
    expect(shares[4]).toBeGreaterThan(0.2)
    expect(recallOf({ dims: 64, items: 100, noise: 0.4 })).toBeLessThan(shares[1])
  })

  test.each([
    [48, 0.3],
    [65, 0.4],
  ])('%i dimensions, noise %d: as measured', (dims, noise) => {
    const [loads, queries] = [[10, 100, 1000], 1500]
    const shares = measureRecall({ dims, noise, loads, queries, seed: 5, device: openCpu({ threads: 2 }) })
    for (const [i, items] of loads.entries()) {
      const want = recallOf({ dims, items, noise })
      expect(Math.abs(shares[i] - want)).toBeLessThan(
        4 * Math.sqrt((want * (1 - want)) / queries) + 1 / queries,
      )
    }
  })
})

test('capacityOf() is where the recall crosses the share', () => {
  const items = capacityOf(64, 0.3, 0.9, 1e6)
  expect(recallOf({ dims: 64, items, noise: 0.3 })).toBeGreaterThanOrEqual(0.9)
  expect(recallOf({ dims: 64, items: Math.ceil(1.02 * items) + 1, noise: 0.3 })).toBeLessThan(0.9)
  expect(capacityOf(64, 0, 0.9, 500)).toBe(500)
})

test('the picture in the documentation is one that the command draws', () => {
  const svg = readFileSync(join(import.meta.dir, '../../docs/ternary-capacity.svg'), 'utf8')
  const [queries, seed] = [2000, 1]
  expect(svg).toContain(`${queries} queries each, seed ${seed}`)
  // One curve of it again.
  const [dims, noise, loads] = [64, 0.4, [10, 30, 100, 300, 1000, 3000, 10_000]]
  const shares = measureRecall({ dims, noise, loads, queries, seed, device: openCpu({ threads: 2 }) })
  const points = (recall: (items: number, i: number) => number) =>
    loads.map((items, i) => ({ items, recall: recall(items, i) }))
  const [none, curve] = [
    [],
    {
      noise,
      measured: points((_, i) => shares[i]),
      theory: points((items) => recallOf({ dims, items, noise })),
    },
  ]
  const blank = { noise: 0, measured: none, theory: none }
  const drawn = drawRecall([{ dims, curves: [blank, blank, blank, blank, curve] }], '', '')
  const marks = [
    ...drawn.matchAll(
      /<circle cx="[\d.]+" cy="[\d.]+" r="3.5" fill="#6a4c93"\/>|<path d="M[^h]*?" fill="none" stroke="#6a4c93"[^>]*>/g,
    ),
  ]
  expect(marks.length).toBeGreaterThan(loads.length)
  for (const [mark] of marks.slice(0, loads.length + 1)) expect(svg).toContain(mark)
})
