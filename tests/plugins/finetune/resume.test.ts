/**
 * A run that was stopped and resumed is the run that was not, bit by bit.
 */
import { expect, test } from 'bun:test'
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { TrituneError } from '../../../core/mod.ts'
import type { Resume } from '../../../plugins/finetune/mod.ts'
import { type Changes, fileBytes, metricsOf, type Trained, type Workspace, workspace } from './_run.ts'

/** Trains until `step`, stops as SIGINT does, and resumes. */
async function interrupted(
  space: Workspace,
  changes: Changes,
  step: number,
  resume: Resume,
): Promise<Trained> {
  const controller = new AbortController()
  const { result } = await space.train(changes, {
    signal: controller.signal,
    onEvent: (event) => {
      if (event.type === 'step' && event.report.step === step) controller.abort()
    },
  })
  expect(result).toMatchObject({ stopped: true, steps: step })
  expect(existsSync(result.checkpoint ?? '')).toBe(true)
  return space.train(changes, { resume })
}

test.each<[string, Changes, number]>([
  ['LoRA with dropout and accumulation', { lora_dropout: 0.2 }, 2],
  ['packed, over the end of an epoch', { sample_packing: true, num_epochs: 4, max_steps: undefined }, 3],
  ['with evaluation and early-stopping state', { val_set_size: 3, eval_steps: 2 }, 3],
  ['a bf16 model', { bf16: true }, 4],
  ['DoRA with dropout', { peft_use_dora: true, lora_dropout: 0.1 }, 2],
  ['PiSSA, whose base lost a part', { peft_init_lora_weights: 'pissa', peft_use_rslora: true }, 3],
  ['PiSSA by rounds, with dropout', { peft_init_lora_weights: 'pissa_niter_4', lora_dropout: 0.2 }, 3],
  ['LoftQ, whose base is packed', { peft: { loftq_config: { loftq_bits: 4, loftq_iter: 2 } } }, 3],
  ['EVA', { peft_init_lora_weights: 'eva' }, 2],
  ['LoRA+', { loraplus_lr_ratio: 8 }, 3],
  ['all weights', { adapter: 'none' }, 3],
  ['all weights in bf16', { adapter: 'none', bf16: true }, 2],
])('%s', async (_, changes, at) => {
  using space = workspace()
  const saving = { ...changes, save_strategy: undefined, save_steps: 2 }
  const whole = await space.train({ ...saving, output_dir: join(space.path, 'whole') })
  const outputDir = join(space.path, 'parts')
  const parts = await interrupted(space, { ...saving, output_dir: outputDir }, at, 'newest')

  expect(parts.losses).toEqual(whole.losses.slice(at))
  expect(metricsOf(outputDir)).toEqual(metricsOf(whole.outputDir))
  const file = 'adapter' in changes ? 'model.safetensors' : 'adapter_model.safetensors'
  expect(fileBytes(outputDir, file).equals(fileBytes(whole.outputDir, file))).toBe(true)
  const last = `checkpoint-${Math.floor(parts.result.steps / 2) * 2}`
  for (const name of readdirSync(join(whole.outputDir, last)))
    expect(
      fileBytes(outputDir, last, name).equals(fileBytes(whole.outputDir, last, name)),
      `${last}/${name}`,
    ).toBe(true)
  expect(readdirSync(join(whole.outputDir, last))).toContain('state.safetensors')
})

test('early stopping counts on where it was', async () => {
  using space = workspace()
  // Far too high a learning rate: evaluations get worse soon.
  const changes = {
    val_set_size: 4,
    eval_steps: 1,
    learning_rate: 30,
    max_grad_norm: 0,
    warmup_steps: 0,
    max_steps: 100,
    early_stopping_patience: 3,
  }
  const whole = await space.train({ ...changes, output_dir: join(space.path, 'whole') })
  expect(whole.result.steps).toBe((whole.result.best?.step ?? 0) + 3)
  const parts = await interrupted(space, changes, whole.result.steps - 1, 'newest')
  expect(parts.result.steps).toBe(whole.result.steps)
  expect(parts.result.best).toEqual(whole.result.best)
})

test('a resume from an older checkpoint drops the later lines of metrics.jsonl', async () => {
  using space = workspace()
  const changes = { save_strategy: undefined, save_steps: 2 }
  const whole = await space.train(changes)
  const expected = metricsOf(whole.outputDir)
  const again = await space.train(changes, { resume: { folder: join(whole.outputDir, 'checkpoint-2') } })
  expect(again.losses).toEqual(whole.losses.slice(2))
  expect(metricsOf(whole.outputDir)).toEqual(expected)
})

test('a line of metrics.jsonl that was cut off does not stop a resume', async () => {
  using space = workspace()
  const changes = { save_strategy: undefined, save_steps: 2, max_steps: 4 }
  const whole = await space.train(changes)
  const expected = metricsOf(whole.outputDir)
  const path = join(whole.outputDir, 'metrics.jsonl')
  writeFileSync(path, `${fileBytes(path).toString().split('\n').slice(0, 2).join('\n')}\n{"step":3,"lo`)
  await space.train(changes, { resume: { folder: join(whole.outputDir, 'checkpoint-2') } })
  expect(metricsOf(whole.outputDir)).toEqual(expected)
})

async function resumeError(space: Workspace, changes: Changes, resume: Resume): Promise<TrituneError> {
  try {
    await space.train(changes, { resume })
  } catch (error) {
    if (error instanceof TrituneError) return error
    throw error
  }
  throw new Error('the run was resumed')
}

test('settings that changed are named with both values', async () => {
  using space = workspace()
  const saving = { save_strategy: undefined, save_steps: 3 }
  await space.train(saving)
  const changed = { ...saving, learning_rate: 1e-3, lora_dropout: 0.5 }
  const error = await resumeError(space, changed, 'newest')
  expect(error.code).toBe('E_RESUME')
  expect(error.message).toContain('learning_rate (was 0.005, is 0.001)')
  expect(error.message).toContain('lora_dropout (was 0, is 0.5)')
  expect(error.remedy).toContain('lora_model_dir')
})

test('nothing to resume from is an error, or a fresh start when that was asked for', async () => {
  using space = workspace()
  const error = await resumeError(space, {}, 'newest')
  expect(error.code).toBe('E_RESUME')
  const { result } = await space.train({ max_steps: 1 }, { resume: 'newest-if-any' })
  expect(result.steps).toBe(1)
})
