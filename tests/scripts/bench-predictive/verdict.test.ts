/**
 * What the rows of `bench predictive` may say.
 */
import { expect, test } from 'bun:test'
import type { Compared } from '../../../scripts/bench/predictive/rows.ts'
import { claimOf, sentence, withdrawn } from '../../../scripts/bench/predictive/verdict.ts'
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
