/**
 * Whole runs with `rl: grpo`: rewards rise, a resumed run gives the same bits, a reward at fault ends the run with its name.
 */
import { expect, test } from 'bun:test'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { TrituneError } from '../../../core/mod.ts'
import { estimateConfig, prepareRun, summarize } from '../../../plugins/finetune/mod.ts'
import {
  type Changes,
  cpu,
  fileBytes,
  metricsOf,
  type Trained,
  type Workspace,
  workspace,
} from '../finetune/_run.ts'

const REWARDS = `
/** The part of the tokens that are even. */
export const even = (_, { completionIds }) => completionIds.map((ids) => ids.filter((id) => id % 2 === 0).length / ids.length)
/** Something of the record. */
export const named = (texts, { records, step }) => texts.map((_, row) => (records[row].wanted === undefined ? NaN : records[row].wanted))
export const broken = (texts, { step }) => texts.map((_, row) => (step === 2 && row === 3 ? NaN : 0.5))
`

function grpoSpace(): Workspace & { readonly keys: Changes } {
  const space = workspace()
  const prompts = Array.from({ length: 9 }, (_, i) => ({ prompt: `${i} plus ${i + 2} is`, wanted: i % 2 }))
  writeFileSync(
    join(space.path, 'prompts.jsonl'),
    prompts.map((line) => `${JSON.stringify(line)}\n`).join(''),
  )
  writeFileSync(join(space.path, 'rewards.mjs'), REWARDS)
  const keys = {
    rl: 'grpo',
    rewards: join(space.path, 'rewards.mjs'),
    trl: { num_generations: 4, max_completion_length: 6, reward_funcs: ['even'] },
    datasets: [{ path: join(space.path, 'prompts.jsonl'), type: 'prompt' }],
    micro_batch_size: 6,
    gradient_accumulation_steps: 2,
  }
  return { ...space, keys }
}

const rewardsOf = ({ events }: Trained): number[] =>
  events.flatMap((event) => (event.type === 'step' ? [event.report.metrics.reward] : []))

test('rewards rise, and what was written is in completions.jsonl', async () => {
  using space = grpoSpace()
  const trained = await space.train({
    ...space.keys,
    adapter: 'none',
    trl: { ...(space.keys.trl as object), num_generations: 8 },
    micro_batch_size: 32,
    gradient_accumulation_steps: 1,
    max_steps: 20,
    learning_rate: 1e-2,
    lr_scheduler: 'constant',
  })
  const rewards = rewardsOf(trained)
  const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b) / values.length
  expect(mean(rewards.slice(0, 3))).toBeLessThan(0.65)
  expect(mean(rewards.slice(-3))).toBeGreaterThan(0.85)
  const lines = readFileSync(join(trained.outputDir, 'completions.jsonl'), 'utf8').trim().split('\n')
  expect(lines).toHaveLength(20 * 4)
  const first: unknown = JSON.parse(lines[0])
  expect(first).toMatchObject({
    step: 1,
    prompt: expect.stringContaining('plus'),
    rewards: { even: expect.any(Number) },
  })
  expect(existsSync(join(trained.outputDir, 'model.safetensors'))).toBe(true)
})

test.each<[string, Changes, number]>([
  ['one step on each', {}, 2],
  ['three steps on each, stopped between them, with a reference', { num_iterations: 3, beta: 0.1 }, 4],
])('a resumed run gives the same bits: %s', async (_, trl, at) => {
  using space = grpoSpace()
  const keys = {
    ...space.keys,
    trl: { ...(space.keys.trl as object), ...trl },
    max_steps: 7,
    save_strategy: undefined,
    save_steps: 5,
  }
  const whole = await space.train({ ...keys, output_dir: join(space.path, 'whole') })
  const outputDir = join(space.path, 'parts')
  const controller = new AbortController()
  await space.train(
    { ...keys, output_dir: outputDir },
    {
      signal: controller.signal,
      onEvent: (event) => {
        if (event.type === 'step' && event.report.step === at) controller.abort()
      },
    },
  )
  const parts = await space.train({ ...keys, output_dir: outputDir }, { resume: 'newest' })
  expect(parts.losses).toEqual(whole.losses.slice(at))
  expect(metricsOf(outputDir)).toEqual(metricsOf(whole.outputDir))
  for (const file of ['adapter_model.safetensors', 'completions.jsonl'])
    expect(fileBytes(outputDir, file).equals(fileBytes(whole.outputDir, file)), file).toBe(true)
})

test('later steps on the same completions: ratios leave 1, the KL divergence leaves 0, and nothing is made anew', async () => {
  using space = grpoSpace()
  const trl = { ...(space.keys.trl as object), num_iterations: 2, beta: 0.2 }
  const { events } = await space.train({ ...space.keys, trl, max_steps: 4, learning_rate: 5e-2 })
  const steps = events.flatMap((event) => (event.type === 'step' ? [event.report] : []))
  expect(steps.map(({ metrics }) => 'reward' in metrics)).toEqual([true, false, true, false])
  const kl = steps.map(({ metrics }) => metrics.kl)
  expect(Math.abs(kl[0])).toBeLessThan(1e-6)
  expect(kl[3]).toBeGreaterThan(1e-5)
})

test.each<[string, Changes]>([
  ['in bf16, with checkpointing', { bf16: true, gradient_checkpointing: true }],
  ['on a base in 4 bits, with dropout', { adapter: 'qlora', load_in_4bit: true, lora_dropout: 0.1 }],
  [
    'behind virtual tokens',
    {
      adapter: 'prompt',
      adapter_options: { num_virtual_tokens: 3 },
      lora_r: undefined,
      lora_alpha: undefined,
      lora_target_linear: undefined,
    },
  ],
])('a run %s gives rewards and a KL divergence', async (_, changes) => {
  using space = grpoSpace()
  const trl = { ...(space.keys.trl as object), beta: 0.1 }
  const { events, losses } = await space.train({ ...space.keys, trl, max_steps: 3, ...changes })
  expect(losses.every(Number.isFinite)).toBe(true)
  const steps = events.flatMap((event) => (event.type === 'step' ? [event.report.metrics] : []))
  expect(steps.every(({ reward, kl }) => reward > 0 && Number.isFinite(kl))).toBe(true)
})

test('several rewards, weighted; groups that are all equal can be left out', async () => {
  using space = grpoSpace()
  const trl = {
    ...(space.keys.trl as object),
    reward_funcs: ['named', 'even', { name: 'length', max: 3 }],
    reward_weights: [1, 0, 0],
    skip_equal_groups: true,
  }
  const { events } = await space.train({ ...space.keys, trl, max_steps: 3 })
  for (const event of events) {
    if (event.type !== 'step') continue
    // A reward by prompt alone tells the rows of a group nothing.
    expect(event.report.metrics.frac_reward_zero_std).toBe(1)
    expect(event.report.loss).toBeCloseTo(0, 9)
    expect(Object.keys(event.report.metrics)).toContain('rewards/length/mean')
  }
})

test('a reward that gives NaN in a later step ends the run with its name and row', async () => {
  using space = grpoSpace()
  const trl = { ...(space.keys.trl as object), reward_funcs: ['broken'] }
  const error: unknown = await space.train({ ...space.keys, trl }).catch((caught: unknown) => caught)
  expect(error).toBeInstanceOf(TrituneError)
  expect(String(error)).toContain('step 3: the reward broken gave NaN for row 3')
})

test('what cannot be is refused before the first step, each under its key', async () => {
  using space = grpoSpace()
  const faultOf = async (changes: Changes): Promise<string> => {
    try {
      await space.train({ ...space.keys, ...changes })
    } catch (error) {
      if (error instanceof TrituneError) return error.message
      throw error
    }
    return 'none'
  }
  const trl = space.keys.trl as object
  for (const [changes, text] of [
    [
      { trl: { ...trl, num_generations: 5 } },
      'micro_batch_size: a step of 12 completions has no whole groups of 5',
    ],
    [{ trl: { ...trl, num_generation: 4 } }, 'trl.num_generation'],
    [{ trl: { ...trl, sync_ref_model: true } }, 'trl.sync_ref_model'],
    [{ trl: { ...trl, loss_type: 'cispo' } }, 'trl.loss_type'],
    [{ trl: { ...trl, min_p: 0.1, top_p: 0.9 } }, 'trl.min_p'],
    [
      { trl: { ...trl, reward_funcs: ['evn'] } },
      'trl.reward_funcs[0]: there is no reward "evn"; did you mean "even"',
    ],
    [{ trl: { ...trl, reward_weights: [1, 2] } }, 'trl.reward_weights'],
    [{ trl: { ...trl, beta: 0.1 }, adapter: 'none' }, 'beta 0.1 needs the model as it was'],
    [{ trl: { ...trl, max_completion_length: 250 } }, 'does not fit into the 256 of the model'],
    [{ rewards: './nowhere.ts' }, 'rewards: there is no file'],
    [{ rl: null }, 'trl: needs rl: grpo'],
    [{ val_set_size: 2 }, 'val_set_size: evaluations of rewards are not there yet'],
    [
      { datasets: [{ path: join(space.path, 'data.jsonl'), type: 'completion' }] },
      'rl: grpo takes type: prompt',
    ],
    [{ micro_batch_size: 40, gradient_accumulation_steps: 1 }, 'there are 9 prompts, a step takes 10'],
  ] as const)
    expect(await faultOf(changes)).toContain(text)
})

test('keys of trl that change nothing are noted', () => {
  using space = grpoSpace()
  const config = space.config({
    ...space.keys,
    trl: { ...(space.keys.trl as object), use_vllm: true, vllm_server_port: 8000 },
  })
  expect(config.notes.join('\n')).toContain('trl.use_vllm is ignored')
  expect(config.grpo).toMatchObject({ num_generations: 4, epsilon_high: 0.2, loss_type: 'dapo' })
})

test('the memory of completions is not estimated, and that is said', async () => {
  using space = grpoSpace()
  const config = space.config(space.keys)
  await expect(estimateConfig(config, { device: cpu })).rejects.toMatchObject({
    code: 'E_UNSUPPORTED',
    what: expect.stringContaining('rl: grpo cannot be estimated'),
    remedy: expect.stringContaining('max_steps=1'),
  })
  using run = await prepareRun(config, { device: cpu })
  expect(summarize(run).join('\n')).toContain(
    'estimated roughly, without a step on shapes: completions of rl: grpo',
  )
})
