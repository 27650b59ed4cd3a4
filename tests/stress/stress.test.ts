/**
 * A few rounds of what `bun scripts/stress.ts` does at length.
 */
import { expect, test } from 'bun:test'
import { killRounds } from './kills.ts'
import { twiceRounds } from './twice.ts'

test('disturbed runs of every kind end with the bits of the undisturbed one', async () => {
  const rounds = await killRounds({ rounds: 12, seed: 7, steps: 24 })
  for (const { run, death, problems } of rounds) expect([run, death, problems]).toEqual([run, death, []])
  expect(new Set(rounds.map(({ run }) => run)).size).toBe(4)
}, 180_000)

test('of two runs on one folder one is refused', async () => {
  for (const { problems } of await twiceRounds({ rounds: 2, seed: 7 })) expect(problems).toEqual([])
}, 120_000)
