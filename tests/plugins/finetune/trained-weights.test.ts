/** `unfrozen_parameters`: part of the weights is trained, the rest stays bit for bit, also over a stop. */
import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { openCheckpoint } from '../../../core/files/checkpoint.ts'
import { prepareRun } from '../../../plugins/finetune/mod.ts'
import { readFloats } from '../../_golden.ts'
import { cpu, fileBytes, workspace, type Workspace } from './_run.ts'

const PATTERNS = ['^model.norm.weight$', 'layers.1.mlp.']
const FULL = { adapter: 'none', unfrozen_parameters: PATTERNS }

function changed(space: Workspace, folder: string): string[] {
  const before = openCheckpoint(join(space.path, 'model'))
  const after = openCheckpoint(folder)
  return [...before.entries.keys()].filter((name) => {
    const [a, b] = [readFloats(before, name), readFloats(after, name)]
    return a.some((value, i) => value !== b[i])
  })
}

test('only the weights that are found change', async () => {
  using space = workspace()
  const { outputDir } = await space.train({ ...FULL, max_steps: 3 })
  expect(changed(space, outputDir).toSorted()).toEqual([
    'model.layers.1.mlp.down_proj.weight',
    'model.layers.1.mlp.gate_proj.weight',
    'model.layers.1.mlp.up_proj.weight',
    'model.norm.weight',
  ])
})

test('a stopped run resumes to the same bits', async () => {
  using space = workspace()
  const saving = { ...FULL, save_strategy: undefined, save_steps: 2, max_steps: 4 }
  const whole = await space.train({ ...saving, output_dir: join(space.path, 'whole') })
  const controller = new AbortController()
  const parts = { ...saving, output_dir: join(space.path, 'parts') }
  await space.train(parts, {
    signal: controller.signal,
    onEvent: (event) => event.type === 'step' && event.report.step === 2 && controller.abort(),
  })
  const { outputDir } = await space.train(parts, { resume: 'newest' })
  const weights = 'model.safetensors'
  expect(fileBytes(outputDir, weights).equals(fileBytes(whole.outputDir, weights))).toBe(true)
})

test('an expression that is none, is found nowhere or names rows is told', async () => {
  using space = workspace()
  const config = space.config({
    adapter: 'none',
    unfrozen_parameters: ['model.nrom.weight', 'layers.(', '^lm_head.weight$[:32000]', 'modelXnorm'],
  })
  const error = await prepareRun(config, { device: cpu }).then(
    () => null,
    (reason: unknown) => reason,
  )
  expect(String(error)).toContain('unfrozen_parameters[0]: is in the name of no weight')
  expect(String(error)).toContain('unfrozen_parameters[1]: is no regular expression')
  expect(String(error)).toContain('unfrozen_parameters[2]: rows of a weight are not supported yet')
  expect(String(error)).toContain('unfrozen_parameters[3]: is in the name of no weight')
})

test('beside an adapter it is left aside with a note', () => {
  using space = workspace()
  expect(space.config({ unfrozen_parameters: ['^lm_head.*'] }).notes).toEqual([
    'unfrozen_parameters is ignored: beside an adapter the base stays as it is',
  ])
})
