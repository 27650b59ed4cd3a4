/**
 * Learning rates of some parameters, as axolotl groups them.
 */
import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { ConfigError, type OptimizerStep, parameter, type Tensor, zeros } from '../../../core/mod.ts'
import { openCheckpoint } from '../../../core/files/checkpoint.ts'
import { learningRates } from '../../../plugins/finetune/training/learning-rates.ts'
import { prepareRun } from '../../../plugins/finetune/mod.ts'
import { readFloats } from '../../_golden.ts'
import { cpu, workspace } from './_run.ts'

const NAMES = [
  'model.embed_tokens.weight',
  'model.layers.0.self_attn.q_proj.weight',
  'model.layers.0.self_attn.v_proj.weight',
  'model.layers.0.input_layernorm.weight',
  'lm_head.weight',
]
const decays = (name: string): boolean => !name.includes('norm')

/** Factors on the learning rate, after a link before has doubled that of v_proj. */
function factors(keys: Partial<Parameters<typeof learningRates>[0]>): { rates: number[]; decays: boolean[] } {
  using owned = new DisposableStack()
  const parameters = new Map<string, Tensor>(NAMES.map((name) => [name, owned.use(parameter(zeros([2])))]))
  const none = { learning_rate: 1e-3, embedding_lr: null, embedding_lr_scale: null, lr_groups: [] }
  const made = learningRates({ ...none, ...keys }, parameters, decays)
  const step: OptimizerStep = {
    step: 1,
    learningRate: 1,
    gradScale: 1,
    metrics: {},
    lrScale: (name) => (name.includes('v_proj') ? 2 : 1),
  }
  for (const link of made.links) {
    using state = link.init(parameters)
    state.apply(step)
  }
  return {
    rates: NAMES.map((name) => step.lrScale?.(name) ?? 1),
    decays: NAMES.map((name) => made.decays(name)),
  }
}

test('embeddings and head have their own, and do not decay', () => {
  expect(factors({})).toEqual({ rates: [1, 1, 2, 1, 1], decays: [true, true, true, false, true] })
  const own = { decays: [false, true, true, false, false] }
  expect(factors({ embedding_lr: 1e-4 })).toEqual({ rates: [0.1, 1, 2, 1, 0.1], ...own })
  expect(factors({ embedding_lr: 1e-4, embedding_lr_scale: 0.5 })).toEqual({
    rates: [0.5, 1, 2, 1, 0.5],
    ...own,
  })
})

test('groups are by parts of names, of what decays; the first that fits counts', () => {
  const lr_groups = [
    { name: 'values', modules: ['v_proj', 'input_layernorm'], lr: 5e-3 },
    { name: 'attention', modules: ['self_attn'], lr: 2e-3 },
  ]
  expect(factors({ lr_groups }).rates).toEqual([1, 2, 10, 1, 1])
})

test('a run follows them', async () => {
  using space = workspace()
  const run = {
    adapter: 'none',
    max_steps: 1,
    warmup_steps: 0,
    lr_scheduler: 'constant',
    max_grad_norm: 0,
    learning_rate: 1e-3,
  }
  const weights = async (changes: object): Promise<Map<string, Float32Array>> => {
    const { outputDir } = await space.train({
      ...run,
      ...changes,
      output_dir: join(space.path, `out${Math.random()}`),
    })
    const file = openCheckpoint(join(outputDir, 'model.safetensors'))
    return new Map([...file.entries.keys()].map((name) => [name, readFloats(file, name)]))
  }
  const start = await weights({ learning_rate: 1e-30 })
  const moved = await weights({
    embedding_lr: 1e-4,
    lr_groups: [{ name: 'values', modules: ['v_proj'], lr: 1e-2 }],
  })
  // The first step of AdamW moves every weight that has a gradient by its learning rate.
  const most = (part: string): number =>
    Math.max(
      ...[...moved]
        .filter(([name]) => name.includes(part))
        .flatMap(([name, values]) =>
          Array.from(values, (value, i) => Math.abs(value - (start.get(name)?.[i] ?? 0))),
        ),
    )
  expect(most('embed_tokens')).toBeCloseTo(1e-4, 6)
  expect(most('v_proj')).toBeCloseTo(1e-2, 4)
  expect(most('q_proj')).toBeCloseTo(1e-3, 5)
})

test('a group that nothing is in is told at its line', async () => {
  using space = workspace()
  let error: unknown
  try {
    using _run = await prepareRun(
      space.config({ lr_groups: [{ name: 'typo', modules: ['w_proj'], lr: 1e-3 }] }),
      {
        device: cpu,
      },
    )
  } catch (caught) {
    error = caught
  }
  expect(error instanceof ConfigError && error.message).toContain(
    'lr_groups[0].modules: no trained parameter is in the group typo',
  )
})
