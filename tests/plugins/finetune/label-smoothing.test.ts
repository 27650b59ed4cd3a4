/**
 * `label_smoothing_factor`: the loss of a step and of an evaluation, and who may not have it. The loss itself beside torch: op-golden.test.ts.
 */
import { describe, expect, test } from 'bun:test'
import { type Changes, workspace } from './_run.ts'

const SHORT = { max_steps: 2, warmup_steps: 0 }

test('the first loss is nearer to that of all tokens alike, by either way to write it', async () => {
  using space = workspace()
  const lossOf = async (changes: Changes): Promise<number> =>
    (await space.train({ ...SHORT, ...changes })).losses[0]
  const plain = await lossOf({})
  const smooth = await lossOf({ label_smoothing_factor: 0.3 })
  expect(await lossOf({ objective: { name: 'cross_entropy', label_smoothing: 0.3 } })).toBe(smooth)
  const more = await lossOf({ label_smoothing_factor: 0.6 })
  expect(smooth).not.toBe(plain)
  // It is linear in the factor: (1 − ε)·nll + ε·(the mean over all tokens).
  expect(more - plain).toBeCloseTo(2 * (smooth - plain), 4)
  expect(await lossOf({ label_smoothing_factor: 0 })).toBe(plain)
})

test('with a LoRA on the head too', async () => {
  using space = workspace()
  const targets = { lora_target_linear: false, lora_target_modules: ['q_proj', 'lm_head'] }
  const { losses } = await space.train({ ...SHORT, ...targets, label_smoothing_factor: 0.3 })
  const { losses: without } = await space.train({ ...SHORT, label_smoothing_factor: 0.3 })
  expect(losses[0]).toBeCloseTo(without[0], 4)
})

describe('is refused', () => {
  test.each<[Changes, string]>([
    [{ label_smoothing_factor: 1 }, 'label_smoothing_factor'],
    [{ label_smoothing_factor: -0.1 }, 'label_smoothing_factor'],
    [{ label_smoothing_factor: 0.1, objective: 'other' }, 'is for objective: cross_entropy, not for other'],
    [
      { label_smoothing_factor: 0.1, objective: { name: 'cross_entropy', label_smoothing: 0.2 } },
      'stands under objective: too',
    ],
  ])('%j', (changes, said) => {
    using space = workspace()
    expect(() => space.config(changes)).toThrow(said)
  })
})
