/** Parts of a run that axolotl has as keys: eaft, lisa, a pruned model that stays one, and examples in the order of the data. */
import { describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { writeFileSync } from 'node:fs'
import { openCheckpoint } from '../../../core/files/checkpoint.ts'
import { createRandom, headRows, noGrad, tensor, tensorScope } from '../../../core/mod.ts'
import { createBatches, packInOrder } from '../../../plugins/data/mod.ts'
import { prepareRun } from '../../../plugins/finetune/mod.ts'
import { eaft } from '../../../plugins/finetune/training/eaft.ts'
import { createBatch, loadModel } from '../../../plugins/models/mod.ts'
import { readFloats } from '../../_golden.ts'
import { cpu, fileBytes, workspace, type Workspace } from './_run.ts'

const FULL = { adapter: 'none', micro_batch_size: 2, gradient_accumulation_steps: 1 }

/** Names of the blocks whose weights are others than in the base model. */
function changedBlocks(space: Workspace, folder: string): Set<string> {
  const [before, after] = [openCheckpoint(join(space.path, 'model')), openCheckpoint(folder)]
  return new Set(
    [...before.entries.keys()]
      .filter((name) => !readFloats(before, name).every((value, i) => value === readFloats(after, name)[i]))
      .map((name) => /layers\.\d+/.exec(name)?.[0] ?? 'outside'),
  )
}

describe('eaft', () => {
  test('is the cross-entropy weighted by the entropy of the likeliest ids', () => {
    using space = workspace()
    using model = loadModel(join(space.path, 'model'), { device: cpu })
    using _scope = tensorScope()
    const ids = Int32Array.of(5, 9, 42, 7, 300, 11)
    const targets = Int32Array.of(9, 42, -100, 300, 11, -100)
    const tokens = createBatch({ ids }, cpu)
    const [k, alpha] = [4, 1.5]
    const batch = {
      tokens,
      targets: tensor(targets, { dtype: 'i32', device: cpu }),
      trainedTokens: 4,
      examples: [],
    }
    const options = { scale: 0.25, checkpointing: false, training: true, window: [] }
    const { loss } = eaft.create({ alpha, k }).loss(model, batch, options)
    const logits = noGrad(() => headRows(model.head, model.hidden(tokens), (part) => part)).flatMap(
      (part) => [...part.toArray()],
    )
    const width = logits.length / ids.length
    let expected = 0
    targets.forEach((target, row) => {
      if (target < 0) return
      const own = logits.slice(row * width, (row + 1) * width)
      const all = own.reduce((sum, z) => sum + Math.exp(z), 0)
      const top = own
        .toSorted((a, b) => b - a)
        .slice(0, k)
        .map(Math.exp)
      const whole = top.reduce((a, b) => a + b, 0)
      const entropy = top.reduce((sum, p) => sum - (p / whole) * Math.log(p / whole + 1e-10), 0)
      expected += (entropy ** alpha * (Math.log(all) - own[target])) / 4
    })
    expect(loss.item()).toBeCloseTo(expected, 5)
  })

  test('of axolotl’s keys trains', async () => {
    using space = workspace()
    const plain = await space.train({ output_dir: join(space.path, 'plain') })
    const { losses } = await space.train({ use_eaft: true, eaft_alpha: 1, eaft_k: 10 })
    expect(losses[0]).not.toBe(plain.losses[0])
    expect(losses.at(-1)).toBeLessThan(losses[0])
    expect(() => space.config({ use_eaft: true, objective: 'cross_entropy' })).toThrow('is objective here')
  })
})

describe('lisa', () => {
  const LISA = { ...FULL, lisa_n_layers: 1, lisa_step_interval: 2 }

  test('trains one block at a time, and what is outside of them', async () => {
    using space = workspace()
    const { outputDir } = await space.train({ ...LISA, max_steps: 2 })
    const changed = changedBlocks(space, outputDir)
    expect(changed.has('outside')).toBe(true)
    expect([...changed].filter((name) => name !== 'outside')).toHaveLength(1)
    using run = await prepareRun(space.config(LISA), { device: cpu })
    expect([...run.parameters.values()].every((weight) => weight.requiresGrad)).toBe(true)
  })

  test('resumes to the same bits, in the middle of a turn too', async () => {
    using space = workspace()
    const saving = { ...LISA, save_strategy: undefined, save_steps: 3, max_steps: 6 }
    const whole = await space.train({ ...saving, output_dir: join(space.path, 'whole') })
    const controller = new AbortController()
    const parts = { ...saving, output_dir: join(space.path, 'parts') }
    await space.train(parts, {
      signal: controller.signal,
      onEvent: (event) => event.type === 'step' && event.report.step === 3 && controller.abort(),
    })
    const { outputDir } = await space.train(parts, { resume: 'newest' })
    expect(
      fileBytes(outputDir, 'model.safetensors').equals(fileBytes(whole.outputDir, 'model.safetensors')),
    ).toBe(true)
  })

  test('is for blocks that are trained', async () => {
    using space = workspace()
    expect(prepareRun(space.config({ ...LISA, lisa_n_layers: 9 }), { device: cpu })).rejects.toThrow(
      '9 blocks at a time',
    )
  })
})

test('a pruned model keeps its zeros', async () => {
  using space = workspace()
  const file = join(space.path, 'model/model.safetensors')
  const bytes = fileBytes(file)
  const entry = openCheckpoint(join(space.path, 'model')).entries.get('model.layers.0.mlp.up_proj.weight')
  const [offset, length] = [entry?.offset ?? 0, entry?.bytes ?? 0]
  const random = createRandom(1, 'zeros')
  const width = length / (entry?.shape.reduce((a, b) => a * b, 1) ?? 1)
  for (let at = offset; at < offset + length; at += width)
    if (random.float() < 0.5) bytes.fill(0, at, at + width)
  writeFileSync(file, bytes)
  const recipe = {
    recipe: {
      stage: { modifiers: { ConstantPruningModifier: { targets: ['re:.*up_proj.weight'], start: 0 } } },
    },
  }
  const { outputDir } = await space.train({ ...FULL, llmcompressor: recipe, weight_decay: 0.1 })
  const name = 'model.layers.0.mlp.up_proj.weight'
  const [before, after] = [join(space.path, 'model'), outputDir].map((folder) =>
    readFloats(openCheckpoint(folder), name),
  )
  const zeros = [...before.keys()].filter((i) => before[i] === 0)
  expect(zeros.length).toBeGreaterThan(before.length / 3)
  expect(zeros.every((i) => after[i] === 0)).toBe(true)
  expect(before.some((value, i) => value !== after[i])).toBe(true)
  expect(() =>
    space.config({ llmcompressor: { recipe: { stage: { modifiers: { SparseGPT: {} } } } } }),
  ).toThrow('other modifiers')
})

describe('in the order of the data', () => {
  test('curriculum_sampling trains the examples as they come, in every epoch', async () => {
    using space = workspace()
    const keys = { curriculum_sampling: true, micro_batch_size: 1, gradient_accumulation_steps: 1 }
    using run = await prepareRun(space.config({ ...keys, shuffle_merged_datasets: false }), { device: cpu })
    for (const epoch of [0, 1]) {
      const batches = run.plan.batches(epoch)
      const lines = batches.windows.map(({ start }) => batches.get(start).examples[0].source.line)
      expect(lines).toEqual(lines.toSorted((a, b) => a - b))
    }
    expect(() => space.config({ curriculum_sampling: true, group_by_length: true })).toThrow('not both')
  })

  test('rows are filled one after the other', () => {
    expect(packInOrder([5, 3, 8, 2, 7], 8)).toEqual([[0, 1], [2], [3], [4]])
    expect(packInOrder([], 8)).toEqual([])
    expect(() => packInOrder([9], 8)).toThrow('9 tokens')
    const source = { file: 'a', line: 1 }
    const examples = [5, 3, 8, 2, 7].map((length) => ({
      ids: new Int32Array(length),
      labels: new Int32Array(length),
      source,
    }))
    const options = { examples, microBatchSize: 1, sequenceLength: 8, packing: true, seed: 0, shuffle: false }
    expect(createBatches({ ...options, inOrder: true }).length).toBe(4)
    expect(createBatches(options).length).toBe(4)
  })
})
