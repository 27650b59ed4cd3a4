/**
 * `adam_beta2_half_life`: β₂ from the tokens of a step, as if the file had said the number; and where it cannot be kept.
 */
import { describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { checkRun, finetuneConfig, prepareRun } from '../../../plugins/finetune/mod.ts'
import { cpu, fileBytes, workspace } from './_run.ts'

const HALF_LIFE = 1000

test('a run trains as with the number that it comes to', async () => {
  using space = workspace()
  const changes = { max_steps: 4, micro_batch_size: 2, learning_rate: 1e-2 }
  let beta2: number
  {
    using run = await prepareRun(space.config({ ...changes, adam_beta2_half_life: HALF_LIFE }), {
      device: cpu,
    })
    beta2 = run.config.adam_beta2
    const { tokens } = run.data.report.train
    expect(beta2).toBe(2 ** (-tokens / run.plan.stepsPerEpoch / HALF_LIFE))
    expect(
      run.notes.some((note) =>
        note.startsWith(`adam_beta2_half_life: adam_beta2 is ${beta2.toPrecision(6)}, as a step has`),
      ),
    ).toBe(true)
    // Half as many documents in a step: the root.
    using half = await prepareRun(
      space.config({ ...changes, micro_batch_size: 1, adam_beta2_half_life: HALF_LIFE }),
      { device: cpu },
    )
    const perStep = half.plan.stepsPerEpoch / run.plan.stepsPerEpoch
    expect(half.config.adam_beta2).toBeCloseTo(beta2 ** (1 / perStep), 12)
  }
  expect(beta2).toBeLessThan(0.99)
  const asked = await space.train({
    ...changes,
    adam_beta2_half_life: HALF_LIFE,
    output_dir: join(space.path, 'asked'),
  })
  const given = await space.train({ ...changes, adam_beta2: beta2, output_dir: join(space.path, 'given') })
  const other = await space.train({ ...changes, output_dir: join(space.path, 'other') })
  expect(asked.losses).toEqual(given.losses)
  const weights = 'adapter_model.safetensors'
  expect(fileBytes(asked.outputDir, weights).equals(fileBytes(given.outputDir, weights))).toBe(true)
  expect(fileBytes(asked.outputDir, weights).equals(fileBytes(other.outputDir, weights))).toBe(false)
  const { notes } = await checkRun(space.config({ ...changes, adam_beta2_half_life: HALF_LIFE }), {
    device: cpu,
  })
  expect(notes.some((note) => note.startsWith('adam_beta2_half_life: adam_beta2 is'))).toBe(true)
})

describe('refused', () => {
  const base = {
    base_model: 'm',
    adapter: 'lora',
    learning_rate: 1e-3,
    lora_target_linear: true,
    datasets: [{ path: 'd.jsonl', type: 'alpaca' }],
    adam_beta2_half_life: 1e7,
  }

  test.each([
    [{ adam_beta2: 0.95 }, 'give either adam_beta2_half_life or adam_beta2'],
    [{ optimizer: 'soap', optim_args: { beta2: 0.9 } }, 'give either'],
    [{ optimizer: 'lion' }, 'not for lion'],
    [{ optimizer: 'sgd' }, 'not for sgd'],
    [{ optimizer: 'mine' }, 'not for mine'],
    [{ streaming: true, max_steps: 3 }, 'of streamed data nobody knows'],
    [{ adam_beta2_half_life: 0 }, 'expected a number > 0'],
  ])('%o', (changes, told) => {
    expect(() => finetuneConfig.validate({ ...base, ...changes })).toThrow(told)
  })

  test.each(['adamw_torch', 'paged_adamw_8bit', 'muon', 'schedule_free_adamw', 'soap'])(
    '%s takes it',
    (optimizer) => {
      expect(finetuneConfig.validate({ ...base, optimizer }).adam_beta2_half_life).toBe(1e7)
    },
  )
})
