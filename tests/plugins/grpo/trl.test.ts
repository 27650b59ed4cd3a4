/**
 * GRPO beside trl on fixed completions: advantages, log-probabilities, losses, metrics and gradients.
 */
import { expect, test } from 'bun:test'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { relativeError } from '../../_golden.ts'
import { openTrlGolden, runCase } from './_trl.ts'

const golden = openTrlGolden()
const NAMES = Object.keys(golden.cases)
const cpu = openCpu()

/** trl hides what is masked from the model too: nothing is there to compare. */
function kept(name: string, rows: readonly (readonly number[])[]): number[] {
  const { mask_truncated_completions: masks } = golden.cases[name].options
  return rows.flatMap((row, i) => (masks === true && golden.completions[i].at(-1) !== golden.eos ? [] : row))
}

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
    expect(relativeError(kept(name, ours.logProbs), kept(name, logProbs)), 'log p').toBeLessThanOrEqual(1e-5)
    if (reference)
      expect(
        relativeError(kept(name, ours.reference), kept(name, reference)),
        'reference',
      ).toBeLessThanOrEqual(1e-5)
    expect(Math.abs(ours.loss - expected.loss), 'loss').toBeLessThanOrEqual(1e-5)
    for (const [key, value] of Object.entries(ours.metrics))
      expect(Math.abs(value - expected.metrics[key]), key).toBeLessThanOrEqual(1e-5)
    for (const [key, gradient] of ours.gradients) {
      const entry = golden.gradients.entries.get(`${name}/${key}`)
      if (!entry) throw new Error(`${name}/${key}`)
      const theirs = new Float32Array(Uint8Array.from(golden.gradients.read(entry)).buffer)
      expect(relativeError(gradient, theirs), key).toBeLessThanOrEqual(1e-5)
    }
  }
})
