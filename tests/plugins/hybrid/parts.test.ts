/**
 * Gate, bandit and guesses by themselves.
 */
import { describe, expect, test } from 'bun:test'
import { createRandom } from '../../../core/mod.ts'
import { armsOf } from '../../../plugins/hybrid/arms.ts'
import { createBandit } from '../../../plugins/hybrid/bandit.ts'
import { createLedger } from '../../../plugins/hybrid/ledger.ts'
import { pairedGate } from '../../../plugins/hybrid/gate.ts'
import { createSnapshots } from '../../../plugins/hybrid/snapshots.ts'

describe('the gate', () => {
  test('lets chance through as seldom as its confidence says', () => {
    const random = createRandom(3, 'gate')
    let accepted = 0
    for (let trial = 0; trial < 2000; trial++) {
      const before = Array.from({ length: 24 }, () => 3 + random.normal())
      const after = before.map((loss) => loss + 0.1 * random.normal())
      if (pairedGate(before, after, { confidence: 1.64, plainGain: 0 }).accepted) accepted++
    }
    expect(accepted / 2000).toBeGreaterThan(0.03)
    expect(accepted / 2000).toBeLessThan(0.08)
  })

  test('wants more than plain steps give', () => {
    const [before, after] = [
      [2, 3, 4],
      [1.9, 2.89, 3.91],
    ]
    expect(pairedGate(before, after, { confidence: 1.64, plainGain: 0.05 }).accepted).toBe(true)
    expect(pairedGate(before, after, { confidence: 1.64, plainGain: 0.2 }).accepted).toBe(false)
  })

  test('refuses what is not finite, and a single example', () => {
    const options = { confidence: 0, plainGain: 0 }
    expect(pairedGate([2, 3], [Number.NaN, 1], options).accepted).toBe(false)
    expect(pairedGate([2, 3], [Number.POSITIVE_INFINITY, 1], options).accepted).toBe(false)
    expect(pairedGate([2], [1], options).accepted).toBe(false)
  })
})

describe('the bandit', () => {
  const NAMES = ['a', 'b', 'c']

  test('finds the arm that pays', () => {
    const bandit = createBandit(NAMES, 1)
    const counts = new Map<string, number>()
    for (let episode = 0; episode < 60; episode++) {
      const name = bandit.choose(NAMES, episode)
      counts.set(name, (counts.get(name) ?? 0) + 1)
      bandit.reward(name, name === 'b' ? 1.4 : 0.5)
    }
    expect(counts.get('b')).toBeGreaterThan(40)
    expect(bandit.pays).toBe(true)
    expect(bandit.hopeless).toBe(false)
  })

  test('gives up after five trials of each that do not pay', () => {
    const bandit = createBandit(NAMES, 1)
    let episode = 0
    while (!bandit.hopeless) bandit.reward(bandit.choose(NAMES, episode++), 0.5)
    expect(episode).toBeGreaterThanOrEqual(15)
    expect(episode).toBeLessThan(100)
  })

  test('an arm whose gain falls short of what was predicted three times in a row is off', () => {
    const bandit = createBandit(NAMES, 1)
    const compare = (name: string, ...gains: readonly number[]): void => {
      for (const gain of gains) bandit.compare(name, 1, gain)
    }
    // More than half of it is no wrong prediction, nor is more than all of it.
    compare('a', 0.4, -1, 0.6, 0.4, Number.NaN)
    compare('b', 3, 9, 2)
    bandit.compare('c', 0, -1)
    bandit.compare('c', 0, -1)
    bandit.compare('c', 0, -1)
    expect(NAMES.map((name) => bandit.isOff(name))).toEqual([false, false, false])
    compare('a', 0.49)
    for (let i = 0; i < 9; i++) bandit.reward('a', 3)
    expect(bandit.isOff('a')).toBe(true)
    expect(bandit.pays).toBe(false)
    const again = createBandit(NAMES, 1)
    again.loadState(JSON.parse(JSON.stringify(bandit.saveState())))
    expect(again.isOff('a')).toBe(true)
    for (const name of ['b', 'c']) compare(name, 0, 0, 0)
    expect(bandit.hopeless).toBe(true)
  })

  test('chooses only what is ready, and goes on as it was saved', () => {
    const bandit = createBandit(NAMES, 7)
    for (let episode = 0; episode < 9; episode++) {
      expect(bandit.choose(['c'], episode)).toBe('c')
      bandit.reward(NAMES[episode % 3], episode / 9)
    }
    const again = createBandit(NAMES, 7)
    again.loadState(JSON.parse(JSON.stringify(bandit.saveState())))
    for (let episode = 9; episode < 40; episode++)
      expect(again.choose(NAMES, episode)).toBe(bandit.choose(NAMES, episode))
    expect(() => createBandit(['d'], 7).loadState(bandit.saveState())).toThrow('no trials of the arm d')
  })
})

describe('guesses', () => {
  const ranges = [
    { name: 'q.lora_A.weight', start: 0, end: 2 },
    { name: 'q.lora_B.weight', start: 2, end: 4 },
  ]

  /** Weights after step 2, 4, …: what `at` gives for each. */
  function guess(name: string, at: (step: number, i: number) => number): number[] {
    using snapshots = createSnapshots(4)
    for (let k = 0; k < 13; k++) {
      const row = snapshots.next()
      for (let i = 0; i < 4; i++) row[i] = at(2 * k, i)
    }
    const move = new Float32Array(4)
    for (const arm of armsOf(['window', 'reuse', 'linear'], { ranges }))
      if (arm.name === name) arm.propose(snapshots, move)
    return [...move]
  }

  test('on a line all of them go on along it', () => {
    const line = (step: number, i: number): number => 1 + (i + 1) * step
    expect(guess('reuse', line)).toEqual([1, 2, 3, 4])
    expect(guess('window 4', line)).toEqual([4, 8, 12, 16])
    expect(guess('window 32', line)).toEqual([32, 64, 96, 128])
    const linear = guess('linear', line)
    for (const [i, move] of linear.entries()) expect(move).toBeCloseTo(6 * (i + 1), 4)
  })

  test('linear continues what shrinks by a factor, each kind of factor by its own', () => {
    const decay = [0.9, 0.8]
    const at = (step: number, i: number): number => 10 * decay[i < 2 ? 0 : 1] ** step * (i + 1)
    const linear = guess('linear', at)
    for (const [i, move] of linear.entries()) expect(move).toBeCloseTo(at(30, i) - at(24, i), 2)
  })
})

test('measurements stay within their share of the computing', () => {
  const ledger = createLedger()
  let [measured, steps] = [0, 0]
  for (; steps < 1000; steps++) {
    if (ledger.affords(0.02)) {
      ledger.measured()
      measured++
    }
    ledger.step(5 - steps / 500)
  }
  expect((2 * measured) / (2 * steps + 2 * measured)).toBeLessThanOrEqual(0.02)
  expect(measured).toBeGreaterThan(15)
  // The loss falls by 1/500 a step of cost 2.
  ledger.plainGain()
  for (; steps < 1100; steps++) ledger.step(5 - steps / 500)
  expect(ledger.plainGain()).toBeCloseTo(1 / 1000, 4)
})
