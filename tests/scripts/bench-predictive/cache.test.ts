/**
 * Runs that are kept: found again by settings and sources, made anew where either differs, failed ones too.
 */
import { expect, test } from 'bun:test'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createRunCache, MissingRun } from '../../../scripts/bench/predictive/run-cache.ts'
import { claimOf, sentence, withdrawn } from '../../../scripts/bench/predictive/verdict.ts'
import { versionOf } from '../../../scripts/bench/predictive/sources.ts'
import type { Compared } from '../../../scripts/bench/predictive/rows.ts'
import type { Outcome } from '../../../scripts/bench/predictive/train-once.ts'

const OUTCOME: Outcome = {
  chosenBy: 2,
  reported: 2.5,
  probed: Infinity,
  forwards: 10,
  backwards: 10,
  seconds: 1,
  cpuSeconds: 0.5,
  kept: 0,
  predicted: 0,
  losses: [3, 2],
  gradNorms: [1, 1],
  failure: null,
}

function folder(): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), 'tritune-runs-'))
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) }
}

test('a run is made once for its settings and sources, in whatever order they are', () => {
  using space = folder()
  let made = 0
  const make = (): Outcome => {
    made++
    return OUTCOME
  }
  const first = createRunCache(space.path)
  expect(first.outcome({ seed: 1, steps: 10 }, 'v1', make)).toEqual(OUTCOME)
  const again = createRunCache(space.path)
  expect(again.outcome({ steps: 10, seed: 1 }, 'v1', make)).toEqual(OUTCOME)
  expect(made).toBe(1)
  again.outcome({ seed: 2, steps: 10 }, 'v1', make)
  again.outcome({ seed: 1, steps: 10 }, 'v2', make)
  expect(made).toBe(3)
  expect(again.runs.map(({ isNew }) => isNew)).toEqual([false, true, true])
})

test('a run that failed is listed and not made again', () => {
  using space = folder()
  const lost = { ...OUTCOME, chosenBy: Infinity, reported: Infinity, failure: 'the loss of step 3 is NaN' }
  createRunCache(space.path).outcome({ seed: 1 }, 'v', () => lost)
  const cache = createRunCache(space.path)
  const found = cache.outcome({ seed: 1 }, 'v', () => {
    throw new Error('it is there')
  })
  expect(found).toEqual(lost)
  expect(cache.runs.map(({ outcome }) => outcome.failure)).toEqual(['the loss of step 3 is NaN'])
})

test('a complete cache makes nothing: what is not there is missing', () => {
  using space = folder()
  createRunCache(space.path).outcome({ seed: 1 }, 'v', () => OUTCOME)
  const cache = createRunCache(space.path, { isComplete: true })
  const make = (): Outcome => {
    throw new Error('nothing is made')
  }
  expect(cache.outcome({ seed: 1 }, 'v', make)).toEqual(OUTCOME)
  expect(() => cache.outcome({ seed: 2 }, 'v', make)).toThrow(MissingRun)
  expect(cache.runs.length).toBe(1)
})

test('a file that is no run is one clear error, and stays as it is', () => {
  using space = folder()
  createRunCache(space.path).outcome({ seed: 1 }, 'v', () => OUTCOME)
  const [name] = readdirSync(space.path)
  for (const text of ['{"outcome":', '{"outcome":{"chosenBy":1}}', '[]']) {
    writeFileSync(join(space.path, name), text)
    const ask = (): Outcome => createRunCache(space.path).outcome({ seed: 1 }, 'v', () => OUTCOME)
    expect(ask).toThrow(`${name} is not a run of bench predictive`)
  }
})

test('sources: types and comments are none, code is', () => {
  using space = folder()
  const [one, other] = ['one.ts', 'other.ts'].map((name) => join(space.path, name))
  writeFileSync(one, "import { b } from './other.ts'\nexport const a = b\n")
  const with_ = (text: string): string => {
    writeFileSync(other, text)
    return versionOf([one])
  }
  const version = with_('export const b = 1\n')
  expect(with_('/** Words. */\nexport const b: number = 1 // more\n')).toBe(version)
  expect(with_('export const b = 2\n')).not.toBe(version)
})

test('what may be said: faster only where the whole interval is, and nothing where the no-op does as well', () => {
  expect(claimOf({ mean: 1.2, low: 1.01, high: 1.4 })).toBe('faster')
  expect(claimOf({ mean: 1.2, low: 0.99, high: 1.4 })).toBe('within what seeds differ by')
  expect(claimOf({ mean: 0.8, low: 0.7, high: 0.9 })).toBe('slower')
  const compared = (mean: number, low: number, high: number, kept = 3): Compared => ({
    name: 'x',
    speed: { mean, low, high },
    inSeconds: { mean, low, high },
    isOutside: false,
    loss: 2,
    tuned: { rate: 1, isInterior: true, outcomes: [{ ...OUTCOME, kept }] },
  })
  expect(sentence(compared(0.8, 0.7, 0.9))).toBe('x: 20 % slower than a tuned AdamW (0.70 … 0.90)')
  expect(sentence(compared(1.2, 1.1, 1.3))).toBe('x: 1.20 × as fast as a tuned AdamW (1.10 … 1.30)')
  const judged = (hybrid: Compared, noOp: Compared): readonly string[] =>
    withdrawn({ hybrid, noOp, floor: 0.98 })
  expect(judged(compared(1.3, 1.2, 1.4), compared(0.99, 0.98, 1))).toEqual([])
  expect(judged(compared(1, 0.98, 1.02), compared(0.99, 0.98, 1))).toEqual([
    'it is not faster',
    'refusing all guesses does as well',
  ])
  expect(judged(compared(0.9, 0.88, 0.92), compared(0.99, 0.98, 1))).toEqual([
    'it is below 0.98 × a tuned AdamW',
    'it is not faster',
    'refusing all guesses does better',
  ])
  expect(withdrawn({ hybrid: compared(0.99, 0.99, 0.99, 0), noOp: null, floor: 0.98 })).toEqual([
    'it is not faster',
    'it kept no guess',
  ])
})
