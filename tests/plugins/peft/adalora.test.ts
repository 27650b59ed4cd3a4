/**
 * AdaLoRA: when it gives directions up, which ones, and the files of what is left. With OFT and BOFT: runs from a file, and resumed.
 */
import { describe, expect, test } from 'bun:test'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openSafetensors } from '../../../core/files/safetensors.ts'
import { adamw, chain, clipByGlobalNorm, type Model, TrituneError } from '../../../core/mod.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { concatenate } from '../../../plugins/data/mod.ts'
import {
  prepareRun,
  readFinetuneConfig,
  train as trainRun,
  trainStep,
} from '../../../plugins/finetune/mod.ts'
import { loadModel } from '../../../plugins/models/mod.ts'
import {
  adalora,
  type AdaLoraOptions,
  attachAdapter,
  type AttachedAdapter,
  loadAdapter,
  saveAdapter,
} from '../../../plugins/peft/mod.ts'
import { budgetAt } from '../../../plugins/peft/adalora/budget.ts'
import { createImportance } from '../../../plugins/peft/adalora/importance.ts'
import { orthogonalityPenalty } from '../../../plugins/peft/adalora/orthogonality.ts'
import { noGrad, tensor, tensorScope } from '../../../core/mod.ts'
import { GOLDEN, logitsOf, relativeError, type Sequences, temporaryFolder } from '../../_golden.ts'
import { writeTinyModel } from '../../_tiny.ts'

const cpu = openCpu()
const LLAMA = join(GOLDEN, 'peft-train/base')
const SEQUENCES: Sequences = { ids: Int32Array.from([5, 9, 3, 70, 12, 8]), rows: 2, length: 3 }

function attach(model: Model, options: Partial<AdaLoraOptions>): AttachedAdapter {
  return attachAdapter(model, adalora, adalora.options.validate({ total_step: 6, ...options }), {
    targetModules: ['q_proj', 'down_proj'],
    seed: 1,
  })
}

function train(model: Model, adapter: AttachedAdapter, steps: number): Record<string, number>[] {
  const { parameters } = adapter
  using optimizer = adapter.around(chain(clipByGlobalNorm(1), adamw())).init(parameters)
  const context = { model, device: cpu, parameters, optimizer, checkpointing: false, seed: 0 }
  return Array.from({ length: steps }, (_, step) => {
    const ids = Int32Array.from({ length: 12 }, (__, i) => 4 + ((3 * i + step) % 40))
    const batch = concatenate([{ ids, labels: ids, source: { file: 'test', line: step } }])
    return { ...trainStep(context, [batch], { step, learningRate: 0.02 }).metrics }
  })
}

describe('the budget', () => {
  const schedule = { tinit: 3, tfinal: 5, deltaT: 2, total_step: 20 }
  const at = (step: number): ReturnType<typeof budgetAt> => budgetAt(step, schedule, { all: 48, target: 20 })

  test('is all until tinit, falls along a cubic curve every deltaT steps, and is the target tfinal steps before the end', () => {
    expect([1, 2, 3].map((step) => at(step).keep)).toEqual([null, null, null])
    const steps = Array.from({ length: 11 }, (_, i) => i + 4)
    // int((48 − 20)·(1 − (t − 3)/(20 − 5 − 3))³ + 20), as Python has it
    expect(steps.map((step) => at(step).keep)).toEqual([41, null, 31, null, 25, null, 22, null, 20, null, 20])
    expect(at(15)).toEqual({ watches: false, keep: 20, isFinal: true })
    expect(at(16)).toEqual({ watches: false, keep: null, isFinal: false })
    expect([...Array(20).keys()].map((i) => at(i + 1).watches).lastIndexOf(true)).toBe(13)
  })
})

describe('importance', () => {
  test('is smoothed sensitivity times its uncertainty, by rows or by columns', () => {
    using _scope = tensorScope()
    const w = tensor([1, -2, 3, 4, 5, -6], { shape: [2, 3], device: cpu })
    const empty = tensor([], { shape: [0, 3], device: cpu })
    using importance = createImportance('A', [w, empty], { beta1: 0.9, beta2: 0.5 })
    let [mean, spread] = [new Float64Array(6), new Float64Array(6)]
    for (const slopes of [
      [1, 1, -1, 2, 0, 1],
      [0.5, -3, 1, 0, 1, 1],
    ]) {
      w.grad = tensor(slopes, { shape: [2, 3], device: cpu })
      importance.watch(0.25)
      const now = slopes.map((slope, i) => Math.abs(slope * w.toArray()[i]) * 0.25)
      mean = mean.map((one, i) => 0.9 * one + 0.1 * now[i])
      spread = spread.map((one, i) => 0.5 * one + 0.5 * Math.abs(now[i] - mean[i]))
      w.grad.dispose()
      w.grad = null
    }
    const score = (i: number): number => mean[i] * spread[i]
    const byRow = [0, 3].map((i) => (score(i) + score(i + 1) + score(i + 2)) / 3)
    const byColumn = [0, 1, 2].map((i) => (score(i) + score(i + 3)) / 2)
    expect(relativeError(importance.scores(1)[0], Float32Array.from(byRow))).toBeLessThan(1e-6)
    expect(relativeError(importance.scores(0)[0], Float32Array.from(byColumn))).toBeLessThan(1e-6)
    expect([importance.scores(1)[1].length, importance.scores(0)[1].length]).toEqual([0, 3])
    importance.forget()
    expect([...importance.scores(1)[0]]).toEqual([0, 0])
  })

  test('orthogonal factors cost nothing and pull nowhere', () => {
    using _scope = tensorScope()
    const a = tensor([0, 1, 0, 1, 0, 0], { shape: [2, 3], device: cpu })
    const b = tensor([3, 0, 0, 0], { shape: [4, 1], device: cpu })
    expect(noGrad(() => orthogonalityPenalty([a], [], 1)?.item())).toBeLessThan(1e-12)
    expect(noGrad(() => orthogonalityPenalty([a], [b], 0.5)?.item())).toBeCloseTo((0.5 * (9 - 1)) / 2, 5)
  })
})

describe('a run', () => {
  test('ends with the target, zeros where directions were given up, and a penalty that is reported', () => {
    using model = loadModel(LLAMA, { device: cpu })
    using adapter = attach(model, { init_r: 4, target_r: 2, tinit: 1, tfinal: 2 })
    const metrics = train(model, adapter, 6)
    expect(metrics.every(({ adapter_penalty: penalty }) => penalty > 0.4 && penalty < 1)).toBe(true)
    const values = [...adapter.parameters].flatMap(([name, one]) =>
      name.endsWith('lora_E') ? [...one.toArray()] : [],
    )
    expect([values.length, values.filter((one) => one !== 0).length]).toEqual([24, 12])
  })

  test('is saved with the directions that are left, and gives the same logits again', () => {
    using temporary = temporaryFolder()
    const folders = ['finished', 'checkpoint', 'again'].map((name) => join(temporary.path, name))
    const all: Float32Array[] = []
    {
      using model = loadModel(LLAMA, { device: cpu })
      // One direction for two layers: others lose all of theirs.
      using adapter = attach(model, { init_r: 4, target_r: 1, tfinal: 1 })
      train(model, adapter, 6)
      all.push(Float32Array.from(logitsOf(model, SEQUENCES)))
      saveAdapter(folders[0], adapter, { baseModel: null })
      saveAdapter(folders[1], adapter, { baseModel: null, unfinished: true })
    }
    const fields = folders.slice(0, 2).map((folder) => readConfig(folder))
    const pattern = fields[0].rank_pattern as Readonly<Record<string, readonly boolean[]>>
    expect(fields[1].rank_pattern).toBeNull()
    const kept = Object.entries(pattern).map(([name, left]) => [name, left.filter(Boolean).length] as const)
    expect(kept.reduce((sum, [, count]) => sum + count, 0)).toBe(6)
    expect(kept.some(([, count]) => count === 0)).toBe(true)
    const { entries } = openSafetensors(join(folders[0], 'adapter_model.safetensors'))
    for (const [name, count] of kept) {
      const prefix = `base_model.model.${name.replace('.lora_E', '')}`
      expect(entries.get(`${prefix}.lora_E`)?.shape).toEqual([count, 1])
      expect(entries.get(`${prefix}.lora_B`)?.shape[1]).toBe(count)
    }
    for (const folder of folders.slice(0, 2)) {
      using model = loadModel(LLAMA, { device: cpu })
      using adapter = loadAdapter(model, folder)
      expect(relativeError(logitsOf(model, SEQUENCES), all[0])).toBeLessThan(1e-6)
      if (folder === folders[0]) saveAdapter(folders[2], adapter, { baseModel: null })
    }
    expect(readConfig(folders[2])).toEqual(fields[0])
    const file = (folder: string): Uint8Array => readFileSync(join(folder, 'adapter_model.safetensors'))
    expect(file(folders[2])).toEqual(file(folders[0]))
  })

  test.each([
    [
      { init_r: 4, rank_pattern: { 'model.layers.0.self_attn.q_proj.lora_E': [true] } },
      /has 1 directions, init_r is 4/,
    ],
  ])('%j is refused', (options, message) => {
    using model = loadModel(LLAMA, { device: cpu })
    expect(() => attach(model, { target_r: 2, ...options })).toThrow(message)
    expect(model.layers.get('model.layers.0.self_attn.q_proj')?.adapters).toEqual([])
  })

  test('total_step has no default: the budget hangs on it', () => {
    const refused = (): unknown => adalora.options.validate({})
    expect(refused).toThrow(TrituneError)
    expect(refused).toThrow(/total_step/)
  })
})

describe('from a file', () => {
  test.each([
    ['adalora', '{ init_r: 4, target_r: 2, tinit: 1, tfinal: 2 }'],
    ['oft', '{ oft_block_size: 8 }'],
    ['boft', '{ boft_n_butterfly_factor: 3, boft_dropout: 0.3 }'],
  ])('%s: a run that goes on from a checkpoint ends in the same files', async (name, options) => {
    using temporary = temporaryFolder()
    const folder = temporary.path
    writeTinyModel(join(folder, 'base'))
    const rows = Array.from({ length: 6 }, (_, i) =>
      JSON.stringify({ input_ids: Array.from({ length: 12 }, (__, j) => 5 + ((7 * i + j) % 90)) }),
    )
    writeFileSync(join(folder, 'data.jsonl'), `${rows.join('\n')}\n`)
    const outcome = async (output: string, resume: boolean): Promise<Uint8Array[]> => {
      const config = readFinetuneConfig(
        `base_model: ${join(folder, 'base')}
adapter: ${name}
adapter_options: ${options}
lora_target_modules: [q_proj, v_proj]
datasets: [{ path: ${join(folder, 'data.jsonl')} }]
learning_rate: 0.01
sequence_len: 16
micro_batch_size: 2
max_steps: 8
save_steps: 3
output_dir: ${output}
`,
        'run.yaml',
      )
      using run = await prepareRun(config, { device: cpu })
      await trainRun(run, { resume: resume ? { folder: join(output, 'checkpoint-6') } : false })
      return ['adapter_model.safetensors', 'adapter_config.json'].map((file) =>
        readFileSync(join(output, file)),
      )
    }
    const output = join(folder, 'output')
    const whole = await outcome(output, false)
    for (const file of ['adapter_model.safetensors', 'adapter_config.json']) rmSync(join(output, file))
    expect(await outcome(output, true)).toEqual(whole)
    // A checkpoint is an adapter too.
    using model = loadModel(join(folder, 'base'), { device: cpu })
    using checkpoint = loadAdapter(model, join(output, 'checkpoint-6'))
    expect(checkpoint.kind).toBe(name)
  })
})

function readConfig(folder: string): Readonly<Record<string, unknown>> {
  return JSON.parse(readFileSync(join(folder, 'adapter_config.json'), 'utf8')) as Readonly<
    Record<string, unknown>
  >
}
