/**
 * Local steps over two hops, by teams of two to five workers: all have the same bits, near those of a gather; interrupted is uninterrupted; what is
 * received does not grow with the team.
 */
import { expect, test } from 'bun:test'
import type { LocalStepsOptions } from '../../../../plugins/vsa-optim/mod.ts'
import { runTeam, type TeamRun, type Told } from './_team.ts'

const STEPS = 13

function rms(of: Told, other: Told): number {
  const pairs = of.weights.flatMap((row, i) => row.map((x, n) => (x - other.weights[i][n]) ** 2))
  return Math.sqrt(pairs.reduce((sum, square) => sum + square, 0) / pairs.length)
}

for (const size of [2, 3, 4, 5])
  test(`${size} workers: all have the same bits; dense those of a gather, compressed near them; an interruption changes none`, async () => {
    const dense = { codec: 'dense', every: 3 } as const
    const int8 = { codec: 'int8', every: 2, rate: 0.7, momentum: 0.9 } as const
    const of = (options: LocalStepsOptions, more: Partial<TeamRun> = {}): TeamRun => ({
      steps: STEPS,
      options: { exchange: 'two-hop', ...options },
      ...more,
    })
    const [hops, all, whole, parted, gathered] = await runTeam(
      size,
      of(dense),
      of({ ...dense, exchange: 'gather' }),
      of(int8),
      of(int8, { interruptedAfter: 6 }),
      of({ ...int8, exchange: 'gather' }),
    )
    expect(hops.map(({ failure, way }) => [failure, way])).toEqual(hops.map(() => [null, 'two-hop']))
    for (const one of hops) expect(one.weights).toEqual(all[0].weights)
    expect(whole[0].failure).toBeNull()
    for (const one of whole) expect(one.weights).toEqual(whole[0].weights)
    expect(parted.map(({ failure, weights, metrics }) => [failure, weights, metrics['sent_bytes']])).toEqual(
      whole.map(({ weights, metrics }) => [null, weights, metrics['sent_bytes']]),
    )
    const apart = rms(whole[0], gathered[0])
    expect(apart).toBeGreaterThan(0)
    expect(apart).toBeLessThan(0.01)
  }, 60_000)

test('auto takes two hops above four workers, and then receives fewer bytes', async () => {
  const of = (exchange: 'auto' | 'gather'): TeamRun => ({
    steps: 6,
    options: { codec: 'int8', every: 2, exchange },
  })
  const [[four]] = await runTeam(4, of('auto'))
  const [[five], [gathered]] = await runTeam(5, of('auto'), of('gather'))
  expect([four.way, five.way, gathered.way]).toEqual(['gather', 'two-hop', 'gather'])
  expect(five.metrics['received_bytes']).toBeLessThan(gathered.metrics['received_bytes'])
  expect(five.metrics['update_kept']).toBeGreaterThan(0.9)
}, 60_000)

test('more workers than tensors: auto gathers, two hops are refused', async () => {
  const [[auto], [refused]] = await runTeam(
    7,
    { steps: 2, options: { codec: 'int8' } },
    { steps: 2, options: { codec: 'int8', exchange: 'two-hop' } },
  )
  expect([auto.failure, auto.way]).toEqual([null, 'gather'])
  expect(refused.failure).toContain('7 workers cannot own 6 tensors')
}, 60_000)
