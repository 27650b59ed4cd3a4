/**
 * One example of each shape of adapter: trained, saved, loaded, merged where it can be, and run from a file with a resume.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  adamw,
  type AnyAdapterDefinition,
  chain,
  clipByGlobalNorm,
  denseWeight,
  headLogits,
  type Model,
  noGrad,
  tensorScope,
  TrituneError,
} from '../../core/mod.ts'
import { embeddingDelta } from '../../docs/examples/embedding-delta.ts'
import { keyValuePrefix } from '../../docs/examples/key-value-prefix.ts'
import { lowRank } from '../../docs/examples/low-rank.ts'
import { promptTokens } from '../../docs/examples/prompt-tokens.ts'
import { reflection } from '../../docs/examples/reflection.ts'
import { sharedBasis } from '../../docs/examples/shared-basis.ts'
import { vectorScale } from '../../docs/examples/vector-scale.ts'
import { openCpuOrReference } from '../../plugins/cpu/mod.ts'
import { type Batch, concatenate } from '../../plugins/data/mod.ts'
import { prepareRun, readFinetuneConfig, saveModel, train, trainStep } from '../../plugins/finetune/mod.ts'
import { createBatch, loadModel } from '../../plugins/models/mod.ts'
import { attachAdapter, type AttachedAdapter, loadAdapter, saveAdapter } from '../../plugins/peft/mod.ts'
import { relativeError, sameBytes } from '../_golden.ts'

const ROOT = join(import.meta.dir, '../..')
const EXAMPLES = join(ROOT, 'docs/examples')
const BASE = join(ROOT, 'tests/golden/peft-train/base')
const { device } = openCpuOrReference({ threads: 2 })

interface Shape {
  readonly definition: AnyAdapterDefinition
  readonly targets?: readonly string[]
  /** A fresh one leaves the model as it was. */
  readonly neutral?: boolean
  readonly merges?: boolean
  readonly learningRate: number
  /** Nats that 20 steps win at least. */
  readonly gain?: number
}

/** By the name of the file in docs/examples. */
const SHAPES: Readonly<Record<string, Shape>> = {
  'vector-scale': {
    definition: vectorScale,
    targets: ['q_proj', 'up_proj'],
    neutral: true,
    merges: true,
    learningRate: 0.1,
  },
  'low-rank': {
    definition: lowRank,
    targets: ['q_proj', 'lm_head'],
    neutral: true,
    merges: true,
    learningRate: 0.05,
  },
  reflection: {
    definition: reflection,
    targets: ['v_proj', 'down_proj'],
    neutral: true,
    merges: true,
    learningRate: 0.1,
  },
  'shared-basis': {
    definition: sharedBasis,
    targets: ['q_proj', 'down_proj'],
    neutral: true,
    merges: true,
    learningRate: 0.2,
  },
  'embedding-delta': {
    definition: embeddingDelta,
    targets: ['embed_tokens'],
    neutral: true,
    merges: true,
    learningRate: 0.05,
  },
  'prompt-tokens': { definition: promptTokens, learningRate: 0.1, gain: 0.2 },
  'key-value-prefix': { definition: keyValuePrefix, learningRate: 0.1 },
}

interface Document {
  readonly inputIds: number[]
  readonly labels: number[]
}
const { documents }: { documents: Document[] } = JSON.parse(readFileSync(join(BASE, '../data.json'), 'utf8'))
const batches: Batch[] = [0, 6].map((start) =>
  concatenate(
    documents.slice(start, start + 6).map(({ inputIds, labels }, line) => ({
      ids: Int32Array.from(inputIds),
      labels: Int32Array.from(labels),
      source: { file: 'data.json', line },
    })),
  ),
)

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tritune-shapes-'))
  cpSync(BASE, join(folder, 'base'), { recursive: true })
  cpSync(join(ROOT, 'tests/golden/tokenizer/digits'), join(folder, 'base'), { recursive: true })
  const lines = documents.map(({ inputIds, labels }) => JSON.stringify({ input_ids: inputIds, labels }))
  writeFileSync(join(folder, 'data.jsonl'), lines.join('\n'))
})
afterAll(() => rmSync(folder, { recursive: true }))

test('every adapter of docs/examples is tried here', () => {
  const names = readdirSync(EXAMPLES).flatMap((file) => /^(.+)\.ts$/.exec(file)?.[1] ?? [])
  expect(Object.keys(SHAPES).toSorted()).toEqual(names.toSorted())
})

describe.each(Object.entries(SHAPES))('%s', (name, shape) => {
  const { definition, targets, neutral = false, merges = false, gain = 0.3 } = shape
  const definitions = { [name]: definition }

  test('learns, and leaves the base model alone', () => {
    using model = loadModel(BASE, { device })
    const plain = logitsOf(model)
    const weights = [...model.weights.values()].map((weight) => weight.toArray())
    {
      using adapter = attach(model, shape)
      if (neutral) expect(relativeError(logitsOf(model), plain)).toBeLessThanOrEqual(1e-5)
      const losses = learn(model, adapter, shape, 20)
      expect(losses.at(-1)).toBeLessThan(losses[0] - gain)
      expect(relativeError(logitsOf(model), plain)).toBeGreaterThan(0.01)
    }
    expect(sameBytes(logitsOf(model), plain)).toBe(true)
    for (const [i, weight] of [...model.weights.values()].entries())
      expect(sameBytes(weight.toArray(), weights[i])).toBe(true)
  })

  test('is saved and loaded to the same bits', () => {
    const saved = join(folder, `saved-${name}`)
    using model = loadModel(BASE, { device })
    const adapted = (() => {
      using adapter = attach(model, shape)
      learn(model, adapter, shape, 4)
      saveAdapter(saved, adapter, { baseModel: BASE })
      return logitsOf(model)
    })()
    using loaded = loadAdapter(model, saved, { definitions })
    expect(loaded.kind).toBe(name)
    expect(sameBytes(logitsOf(model), adapted)).toBe(true)
  })

  test(merges ? 'merges into the weights and out of them' : 'says that it cannot be merged', () => {
    const merged = join(folder, `merged-${name}`)
    using model = loadModel(BASE, { device })
    using adapter = attach(model, shape)
    learn(model, adapter, shape, 6)
    if (!merges) {
      const error = errorOf(() => saveModel(model, BASE, merged))
      expect(error.code).toBe('E_UNSUPPORTED')
      expect(error.message).toContain(`${name} cannot be merged`)
      return
    }
    for (const [path, { merge, unmerge }] of adapter.adapters) {
      const layer = model.layers.get(path)
      if (!layer || !merge || !unmerge) throw new Error(path)
      using weight = denseWeight(layer)
      using there = merge(weight)
      using back = unmerge(there)
      expect(relativeError(back.toArray(), weight.toArray())).toBeLessThanOrEqual(1e-5)
    }
    saveModel(model, BASE, merged)
    using again = loadModel(merged, { device })
    expect(relativeError(logitsOf(again), logitsOf(model))).toBeLessThanOrEqual(1e-4)
  })

  test('a run finds it by name and resumes to the same bits', async () => {
    const output = join(folder, `run-${name}`)
    const config = readFinetuneConfig(
      `base_model: ${join(folder, 'base')}
adapter: ${name}
plugins: [${join(EXAMPLES, `${name}.ts`)}]
${targets ? `lora_target_modules: ${JSON.stringify(targets)}` : ''}
datasets: [{ path: ${join(folder, 'data.jsonl')} }]
learning_rate: ${shape.learningRate}
sequence_len: 48
lr_scheduler: constant
micro_batch_size: 3
gradient_accumulation_steps: 2
max_steps: 6
save_steps: 3
gradient_checkpointing: true
output_dir: ${output}
`,
      'run.yaml',
    )
    const outcome = async (resume: boolean): Promise<Float32Array> => {
      using run = await prepareRun(config, { device })
      expect(run.adapter?.kind).toBe(name)
      await train(run, { resume: resume ? { folder: join(output, 'checkpoint-3') } : false })
      return logitsOf(run.model)
    }
    const whole = await outcome(false)
    expect(sameBytes(await outcome(true), whole)).toBe(true)
    using model = loadModel(join(folder, 'base'), { device })
    using _adapter = loadAdapter(model, output, { definitions })
    expect(sameBytes(logitsOf(model), whole)).toBe(true)
  })
})

test('what layers share: the budget of all of them, and the penalty in the loss', () => {
  using model = loadModel(BASE, { device })
  const options = { rank: 8, keep: 0.25, every: 2, penalty: 0.5 }
  const targets = { targetModules: ['q_proj', 'down_proj'] }
  using adapter = attachAdapter(model, sharedBasis, options, targets)
  const shape = { definition: sharedBasis, learningRate: 0.05 }
  using optimizer = adapter.around(chain(clipByGlobalNorm(1), adamw())).init(adapter.parameters)
  const context = { model, device, parameters: adapter.parameters, optimizer, checkpointing: false, seed: 0 }
  const step = (at: number): Readonly<Record<string, number>> =>
    trainStep(context, batches, { step: at, learningRate: shape.learningRate }).metrics
  // Σ d² of 6 layers with 8 numbers of 0.1, times 0.5.
  expect(step(0).adapter_penalty).toBeCloseTo(0.5 * 6 * 8 * 0.01, 6)
  const kept = (): number =>
    [...adapter.tensors]
      .filter(([name]) => name.endsWith('.mask'))
      .reduce((total, [, mask]) => total + mask.toArray().reduce((a, b) => a + b, 0), 0)
  expect(kept()).toBe(48)
  step(1)
  expect(kept()).toBe(12)
  expect([...adapter.parameters.keys()].some((name) => name.endsWith('.mask') || name === 'a')).toBe(false)
})

test('a run refuses targets for an adapter of the whole model, and documents that leave it no room', async () => {
  const run = (extra: string): Promise<unknown> =>
    prepareRun(
      readFinetuneConfig(
        `base_model: ${join(folder, 'base')}
adapter: prompt-tokens
plugins: [${join(EXAMPLES, 'prompt-tokens.ts')}]
datasets: [{ path: ${join(folder, 'data.jsonl')} }]
learning_rate: 0.1
output_dir: ${join(folder, 'refused')}
${extra}`,
        'run.yaml',
      ),
      { device },
    )
  const targeted = await rejection(run('sequence_len: 48\nlora_target_modules: [q_proj]'))
  expect(targeted.code).toBe('E_CONFIG')
  expect(targeted.message).toContain('prompt-tokens is of the whole model and has no use for it')
  const long = await rejection(run('sequence_len: 60'))
  expect(long.code).toBe('E_CONFIG')
  expect(long.message).toContain('sequence_len 60 and the 8 positions of the adapter are more than the 64')
  expect(long.remedy).toContain('sequence_len: 56')
})

// ---- helpers ----------------------------------------------------------------------------------------------------

function attach(model: Model, { definition, targets }: Shape): AttachedAdapter {
  const options = definition.options.validate({})
  return attachAdapter(model, definition, options, targets ? { targetModules: targets } : {})
}

function learn(model: Model, adapter: AttachedAdapter, { learningRate }: Shape, steps: number): number[] {
  const { parameters } = adapter
  using optimizer = adapter.around(chain(clipByGlobalNorm(1), adamw())).init(parameters)
  const context = { model, device, parameters, optimizer, checkpointing: false, seed: 0 }
  return Array.from({ length: steps }, (_, step) => trainStep(context, batches, { step, learningRate }).loss)
}

function logitsOf(model: Model): Float32Array {
  return noGrad(() => {
    using _scope = tensorScope()
    return headLogits(model.head, model.hidden(createBatch(batches[0], device))).toArray()
  })
}

function errorOf(fn: () => unknown): TrituneError {
  try {
    fn()
  } catch (error) {
    if (error instanceof TrituneError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

async function rejection(promise: Promise<unknown>): Promise<TrituneError> {
  try {
    await promise
  } catch (error) {
    if (error instanceof TrituneError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}
