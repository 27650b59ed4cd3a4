/**
 * GRPO beside trl on fixed completions: advantages, log-probabilities, losses, metrics and gradients.
 */
import { expect, test } from 'bun:test'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { relativeError } from '../../_golden.ts'
import { openTrlGolden, runCase, trlGradient, unmasked } from './_trl.ts'

const golden = openTrlGolden()
const NAMES = Object.keys(golden.cases)
const cpu = openCpu()

test('there is a case of each loss', () => {
  const kinds = NAMES.map((name) => golden.cases[name].options.loss_type)
  expect([...new Set(kinds)].toSorted()).toEqual(['bnpo', 'dapo', 'dr_grpo', 'grpo'])
})

test.each(NAMES)('case %s: the numbers of trl, whatever the split into micro-batches', (name) => {
  const expected = golden.cases[name]
  for (const split of [8, 3]) {
    const ours = runCase(golden, name, cpu, split)
    expect(relativeError(ours.advantages, expected.advantages), 'advantages').toBeLessThanOrEqual(1e-5)
    const { logProbs, reference } = expected
    expect(
      relativeError(unmasked(golden, name, ours.logProbs), unmasked(golden, name, logProbs)),
      'log p',
    ).toBeLessThanOrEqual(1e-5)
    if (reference)
      expect(
        relativeError(unmasked(golden, name, ours.reference), unmasked(golden, name, reference)),
        'reference',
      ).toBeLessThanOrEqual(1e-5)
    expect(Math.abs(ours.loss - expected.loss), 'loss').toBeLessThanOrEqual(1e-5)
    for (const [key, value] of Object.entries(ours.metrics))
      expect(Math.abs(value - expected.metrics[key]), key).toBeLessThanOrEqual(1e-5)
    for (const [key, gradient] of ours.gradients) {
      expect(relativeError(gradient, trlGradient(golden, name, key)), key).toBeLessThanOrEqual(1e-5)
    }
  }
})
