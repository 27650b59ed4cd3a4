/**
 * What the page makes of numbers before it draws them: kept lines, smoothing, thinning.
 */
import { describe, expect, test } from 'bun:test'
import { join } from 'node:path'

interface Line {
  readonly xs: number[]
  readonly ys: (number | null)[]
}

interface RunData {
  readonly columns: Map<string, Line>
  readonly events: readonly object[]
}

interface PageModules {
  readonly MOST: number
  thin(lines: readonly Line[], range: readonly [number, number] | null): Line[]
  smoothed(values: readonly (number | null)[], weight: number): (number | null)[]
  emptyRun(): RunData
  takeIn(data: RunData, change: object): void
  xsOf(data: RunData, column: Line | undefined, axis: string): number[]
}

const PAGE = join(import.meta.dir, '../../../plugins/monitor/page')
/** Modules of the page that need no page. */
const { MOST, thin, smoothed, emptyRun, takeIn, xsOf }: PageModules = {
  ...(await import(join(PAGE, 'thin.js'))),
  ...(await import(join(PAGE, 'store.js'))),
}

const line = (count: number, y: (i: number) => number | null): Line => ({
  xs: Array.from({ length: count }, (_, i) => i),
  ys: Array.from({ length: count }, (_, i) => y(i)),
})

describe('thin()', () => {
  test('leaves short lines alone', () => {
    const short = line(MOST, (i) => i)
    expect(thin([short], null)[0]).toBe(short)
  })

  test('keeps every spike, and no more points than it says', () => {
    const long = line(50_000, (i) => (i === 12_345 ? 99 : i === 40_001 ? -99 : Math.sin(i)))
    const [{ xs, ys }] = thin([long], null)
    expect(xs.length).toBeLessThanOrEqual(MOST + 2)
    expect(ys).toContain(99)
    expect(ys).toContain(-99)
    expect(Math.abs(xs[ys.indexOf(99)] - 12_345)).toBeLessThan(100_000 / MOST)
    expect(xs).toEqual(xs.toSorted((a, b) => a - b))
  })

  test('lines of different steps share their columns', () => {
    const [a, b] = thin([line(30_000, Math.cos), line(20_001, Math.sin)], null)
    expect(b.xs.filter((x) => !a.xs.includes(x))).toEqual([])
  })

  test('shows what is not a number as a gap', () => {
    const [{ ys }] = thin([line(20_000, (i) => (i === 7000 ? null : 1))], null)
    expect(ys.filter((y) => y === null)).toHaveLength(1)
  })

  test('of a part that is looked at, every point that fits', () => {
    const long = line(50_000, (i) => i)
    const [{ xs }] = thin([long], [1000, 2000])
    expect([xs[0], xs.at(-1)]).toEqual([999, 2001])
    expect(xs).toHaveLength(1003)
    const [wide] = thin([long], [1000, 30_000])
    expect(wide.xs.length).toBeLessThanOrEqual(MOST + 4)
    expect(wide.xs[0]).toBeGreaterThanOrEqual(1000)
  })
})

test('smoothed() starts without a pull, goes around what is no number, and keeps a constant', () => {
  expect(smoothed([2, 2, 2], 0.9)).toEqual([2, 2, 2].map((y) => expect.closeTo(y, 12)))
  expect(smoothed([1, null, 3], 0.5)).toEqual([1, null, expect.closeTo(1 / 3 + 2, 12)])
  expect(smoothed([1, 5], 0)).toEqual([1, 5])
})

test('takeIn() adds lines, and begins anew where a run did', () => {
  const data = emptyRun()
  const change = { run: {}, metrics: [], events: [], histograms: [], anew: [] }
  const step = (n: number): object => ({ step: n, loss: n, tokens: 10, seconds: 30 })
  takeIn(data, {
    ...change,
    metrics: [step(1), step(2), { step: 2, eval_loss: 7 }],
    events: [{ type: 'note' }],
  })
  expect(data.columns.get('loss')).toEqual({ xs: [1, 2], ys: [1, 2] })
  expect(data.columns.get('eval_loss')).toEqual({ xs: [2], ys: [7] })
  expect(xsOf(data, data.columns.get('loss'), 'tokens')).toEqual([10, 20])
  expect(xsOf(data, data.columns.get('eval_loss'), 'minutes')).toEqual([1])
  takeIn(data, { ...change, metrics: [step(1)], anew: ['metrics'] })
  expect(data.columns.get('loss')).toEqual({ xs: [1], ys: [1] })
  expect(data.columns.has('eval_loss')).toBeFalse()
  expect(xsOf(data, data.columns.get('loss'), 'tokens')).toEqual([10])
  expect(data.events).toHaveLength(1)
})
