/** Ways to order and to leave out examples, in whole runs: resumed to the same bits, and refused when they change. */
import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { TrituneError } from '../../../core/mod.ts'
import { type Changes, workspace } from './_run.ts'

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

test('early stopping leaves the best weights behind', async () => {
  using space = workspace()
  const keys = { val_set_size: 4, eval_steps: 1, max_steps: 30, learning_rate: 0.5, warmup_steps: 0 }
  const { result, events } = await space.train({
    ...keys,
    early_stopping_patience: 3,
    save_strategy: undefined,
  })
  expect(result.steps).toBeLessThan(30)
  const losses = events.flatMap((event) => (event.type === 'eval' ? [event.loss] : []))
  expect(result.best?.loss).toBe(Math.min(...losses))
  expect(result.best?.step).toBeLessThan(result.steps)
  expect(events.some((event) => event.type === 'note' && event.text.includes('best weights'))).toBe(true)
}, 60_000)
