/**
 * docs/examples/preferences/dpo.yaml, run as it is: pairs that were held out are preferred rightly more often than not, and the loss falls.
 */
import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { EvaluationEvent } from '../../core/mod.ts'
import { openCpu } from '../../plugins/cpu/mod.ts'
import { prepareRun, readFinetuneConfig, train } from '../../plugins/finetune/mod.ts'
import { temporaryFolder } from '../_golden.ts'

const ROOT = join(import.meta.dir, '../..')

test('the example of preferences learns to tell answers apart', async () => {
  using folder = temporaryFolder()
  const file = join(ROOT, 'docs/examples/preferences/dpo.yaml')
  const text = readFileSync(file, 'utf8')
    .replace('quickstart/model', join(ROOT, 'quickstart/model'))
    .replace(/path: docs/, `path: ${ROOT}/docs`)
  const config = readFinetuneConfig(text, 'run.yaml', { overrides: [`output_dir=${folder.path}/out`] })
  using run = await prepareRun(config, { device: openCpu({ threads: 1 }) })
  const evaluations: EvaluationEvent[] = []
  const { loss } = await train(run, {
    onEvent: (event) => event.type === 'eval' && evaluations.push(event),
  })
  expect(loss).toBeLessThan(0.5)
  const last = evaluations[evaluations.length - 1]
  expect(last.loss).toBeLessThan(Math.LN2)
  expect(last.perplexity).toBeNull()
  expect(last.metrics?.['rewards/accuracies']).toBeGreaterThan(0.5)
  expect(last.metrics?.['rewards/margins']).toBeGreaterThan(0)
})
