/**
 * The numbers of lm-evaluation-harness on the bundled model: log-likelihoods, accuracies with their standard errors, perplexities, texts.
 */
import { expect, test } from 'bun:test'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { loadModel } from '../../../plugins/models/mod.ts'
import { loadTokenizer } from '../../../plugins/tokenizer/mod.ts'
import { goldenJson } from '../../_golden.ts'
import { distanceOf, type Expected, TASK_FILES } from './_lm-eval.ts'

const MODEL = 'quickstart/model'
const expected = goldenJson<Expected>('evaluate', 'expected.json')

test.each(Object.keys(TASK_FILES))('%s is as lm-evaluation-harness has it', async (name) => {
  using model = loadModel(MODEL, { device: openCpu(), dtype: 'f32' })
  const distance = await distanceOf(model, loadTokenizer(MODEL), name, expected)
  expect(distance.compared).toBeGreaterThan(1)
  // It adds up in f32: a text of thousands of nats has no 1e-4 there.
  if (name !== 'rolling') expect(distance.logLikelihood).toBeLessThan(1e-4)
  expect(distance.relative).toBeLessThan(1e-6)
  expect(distance.measure).toBeLessThan(1e-6)
  expect(distance.texts).toBe(0)
})
