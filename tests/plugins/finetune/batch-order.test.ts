/** Ways to order and to leave out examples, in whole runs: resumed to the same bits, and refused when they change. */
import { expect, test } from 'bun:test'
import { join } from 'node:path'
import {
  add,
  defineOptions,
  definePlugin,
  type Objective,
  type Plugin,
  TrituneError,
} from '../../../core/mod.ts'
import { crossEntropy, prepareRun, train } from '../../../plugins/finetune/mod.ts'
import { type Changes, cpu, fileBytes, workspace } from './_run.ts'

test.each([
  [{ group_by_length: true }],
  [{ dataloader_drop_last: true, micro_batch_size: 1, gradient_accumulation_steps: 5 }],
  [{ sample_packing: true, sequence_len: 32, micro_batch_size: 1, gradient_accumulation_steps: 4 }],
])(
  'a run with %j goes on to the same losses',
  async (keys: Changes) => {
    using space = workspace()
    const changes = { save_strategy: undefined, save_steps: 4, max_steps: 7, ...keys }
    const whole = await space.train(changes)
    const resume = { folder: join(whole.outputDir, 'checkpoint-4') }
    const again = await space.train(changes, { resume })
    expect(again.losses).toEqual(whole.losses.slice(4))
  },
  60_000,
)

test('a run does not go on with another order', async () => {
  using space = workspace()
  const changes = { save_strategy: undefined, save_steps: 2, max_steps: 2 }
  const { outputDir } = await space.train(changes)
  const other = space.train(
    { ...changes, group_by_length: true },
    { resume: { folder: join(outputDir, 'checkpoint-2') } },
  )
  await expect(other).rejects.toThrow('group_by_length (was false, is true)')
  await expect(other).rejects.toBeInstanceOf(TrituneError)
}, 60_000)

test('the steps of a run are the windows of its plan, none of them a rest', async () => {
  using space = workspace()
  // 12 examples in steps of 5: 4 + 4 + 4.
  const { losses } = await space.train({
    max_steps: undefined,
    num_epochs: 1,
    micro_batch_size: 1,
    gradient_accumulation_steps: 5,
  })
  expect(losses).toHaveLength(3)
}, 60_000)

/** Cross-entropy, and an evaluation that gets worse each time whatever is trained. */
function worsening(): Plugin {
  let evaluations = 0
  const objective: Objective = {
    ...crossEntropy.create({}),
    loss(model, batch, options) {
      const { loss } = crossEntropy.create({}).loss(model, batch, options)
      return { loss: options.training ? loss : add(loss, 1000 * ++evaluations) }
    },
  }
  const mine = { name: 'mine', options: defineOptions({}), create: () => objective }
  return definePlugin({ name: 'test', provides: { objective: { mine } } })
}

test('early stopping leaves the best weights behind', async () => {
  using space = workspace()
  const config = space.config({
    val_set_size: 4,
    eval_steps: 1,
    max_steps: 30,
    warmup_steps: 0,
    early_stopping_patience: 3,
    save_strategy: undefined,
    objective: 'mine',
  })
  using run = await prepareRun(config, { device: cpu, plugins: [worsening()] })
  const notes: string[] = []
  const result = await train(run, {
    onEvent: (event) => void (event.type === 'note' && notes.push(event.text)),
  })
  expect(result).toMatchObject({ steps: 4, best: { step: 1 } })
  expect(notes.some((text) => text.includes('best weights'))).toBe(true)
  const file = 'adapter_model.safetensors'
  const best = fileBytes(config.output_dir, 'checkpoint-1', file)
  expect(fileBytes(config.output_dir, file).equals(best)).toBe(true)
}, 60_000)
