import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  activateAdapters,
  adamw,
  chain,
  clipByGlobalNorm,
  denseWeight,
  headLogits,
  mergedWeight,
  type Model,
  noGrad,
  tensorScope,
  TrituneError,
} from '../../core/mod.ts'
import { vectorScale, vectorScalePlugin } from '../../docs/examples/vector-scale.ts'
import { openCpuOrReference } from '../../plugins/cpu/mod.ts'
import { type Batch, concatenate } from '../../plugins/data/mod.ts'
import { loadPlugins, prepareRun, readFinetuneConfig, train, trainStep } from '../../plugins/finetune/mod.ts'
import { openGenerator } from '../../plugins/generate/mod.ts'
import { createBatch, loadModel } from '../../plugins/models/mod.ts'
import { attachAdapter, loadAdapter, mergedSources, saveAdapter } from '../../plugins/peft/mod.ts'

const ROOT = join(import.meta.dir, '../..')
const BASE = join(ROOT, 'tests/golden/peft-train/base')
const EXAMPLE = './docs/examples/vector-scale.ts'
const { device } = openCpuOrReference({ threads: 2 })
const DEFINITIONS = { 'vector-scale': vectorScale }

interface Document {
  readonly inputIds: number[]
  readonly labels: number[]
}
const { documents }: { documents: Document[] } = JSON.parse(readFileSync(join(BASE, '../data.json'), 'utf8'))
const batches: Batch[] = [0, 4, 8].map((start) =>
  concatenate(
    documents.slice(start, start + 4).map(({ inputIds, labels }, line) => ({
      ids: Int32Array.from(inputIds),
      labels: Int32Array.from(labels),
      source: { file: 'data.json', line },
    })),
  ),
)

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tritune-docs-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

describe('the adapter of docs/plugins.md', () => {
  test('starts as the base model and learns', () => {
    using model = loadModel(BASE, { device })
    const before = logitsOf(model)
    using adapter = attach(model)
    expect(logitsOf(model)).toEqual(before)
    const losses = learn(model, adapter)
    expect(losses.at(-1)).toBeLessThan(losses[0] - 1)
  })

  test('changes no weight of the base model', () => {
    using model = loadModel(BASE, { device })
    const before = [...model.weights.values()].map((weight) => weight.toArray())
    using adapter = attach(model)
    learn(model, adapter, 3)
    expect([...model.weights.values()].map((weight) => weight.toArray())).toEqual(before)
    expect([...model.weights.values()].every(({ grad }) => grad === null)).toBe(true)
  })

  test('merges into the weights and out of them', () => {
    using model = loadModel(BASE, { device })
    using adapter = attach(model)
    learn(model, adapter, 6)
    const adapted = logitsOf(model)
    for (const layer of model.layers.values()) {
      if (layer.kind !== 'linear') continue
      const own = layer.adapters[0]?.adapter
      using weight = denseWeight(layer)
      using merged = own?.merge?.(weight)
      using back = merged && own?.unmerge?.(merged)
      if (!back) throw new Error(`${layer.path} has no adapter`)
      expectClose(back.toArray(), weight.toArray(), 1e-6)
    }
    const names = [...mergedSources(model)].map(({ name }) => name)
    expect(names).toEqual([...model.weights.keys()])
    // The same logits without the adapter, from the merged weights.
    const merged = new Map([...model.layers.values()].map((layer) => [layer, mergedWeight(layer)]))
    for (const [layer, weight] of merged) layer.weight = weight
    activateAdapters(model, [])
    expectClose(logitsOf(model), adapted, 1e-4)
    for (const weight of merged.values()) weight.dispose()
  })

  test('is saved and loaded by name', () => {
    const saved = join(folder, 'saved')
    mkdirSync(saved)
    using model = loadModel(BASE, { device })
    const adapted = (() => {
      using adapter = attach(model)
      learn(model, adapter, 4)
      saveAdapter(saved, adapter, { baseModel: BASE })
      return logitsOf(model)
    })()
    expect(logitsOf(model)).not.toEqual(adapted)
    using loaded = loadAdapter(model, saved, { definitions: DEFINITIONS })
    expect(loaded.kind).toBe('vector-scale')
    expect(logitsOf(model)).toEqual(adapted)
  })

  test('loading it without its plugin is an E_NAME that says what is missing', () => {
    const saved = join(folder, 'nobody')
    mkdirSync(saved)
    using model = loadModel(BASE, { device })
    {
      using adapter = attach(model)
      saveAdapter(saved, adapter, { baseModel: BASE })
    }
    const error = errorOf(() => loadAdapter(model, saved))
    expect(error.code).toBe('E_NAME')
    expect(error.message).toContain('"vector-scale", which no plugin provides')
    expect([...model.layers.values()].every(({ adapters }) => adapters.length === 0)).toBe(true)
  })
})

describe('plugins in the file of a run', () => {
  test('a run finds the adapter by name, trains it, resumes it and saves it', async () => {
    const output = join(folder, 'run')
    const text = yaml({
      extra: `adapter_options: { init: 1 }\nmax_steps: 4\nsave_steps: 2\noutput_dir: ${output}`,
    })
    const config = readFinetuneConfig(text, 'run.yaml')
    const losses: number[] = []
    const outcome = async (resume: boolean): Promise<Float32Array> => {
      using run = await prepareRun(config, { device })
      expect(run.adapter?.kind).toBe('vector-scale')
      await train(run, {
        resume: resume ? { folder: join(output, 'checkpoint-2') } : false,
        onEvent: (event) => void (event.type === 'step' && losses.push(event.report.loss)),
      })
      return logitsOf(run.model)
    }
    const whole = await outcome(false)
    expect(losses.length).toBe(4)
    expect(losses[3]).toBeLessThan(losses[0])
    expect(await outcome(true)).toEqual(whole)
    const options = { adapter: output, plugins: [vectorScalePlugin], device }
    using generator = await openGenerator(config.base_model, options)
    expect(logitsOf(generator.model)).toEqual(whole)
  })

  test('an unknown name is an E_NAME with the nearest', async () => {
    const error = await rejection(prepare({ adapter: 'vector-scal' }))
    expect(error.code).toBe('E_NAME')
    expect(error.message).toContain('there is no adapter "vector-scal"')
    expect(error.message).toContain('did you mean "vector-scale"')
  })

  test('wrong options are an E_CONFIG under adapter_options', async () => {
    const typo = await rejection(prepare({ extra: 'adapter_options: { inti: 1 }' }))
    expect(typo.message).toContain('adapter_options.inti')
    expect(typo.message).toContain('did you mean "init"')
    const wrong = await rejection(prepare({ extra: 'adapter_options: { init: many }' }))
    expect(wrong.message).toContain('adapter_options.init: expected a number, got "many"')
  })

  test('options of another adapter are refused, not ignored', async () => {
    const lora = await rejection(prepare({ extra: 'lora_r: 4' }))
    expect(lora.message).toContain('lora_r: vector-scale has no such option')
    const options = yaml({ adapter: 'lora', extra: 'adapter_options: { init: 1 }' })
    expect(errorOf(() => readFinetuneConfig(options, 'run.yaml')).message).toContain('adapter_options')
  })

  test('without plugins only the built-in adapters can be named', () => {
    const error = errorOf(() => readFinetuneConfig(yaml({ adapter: 'lorra', plugins: [] }), 'run.yaml'))
    expect(error.code).toBe('E_CONFIG')
    expect(error.message).toContain('none (did you mean "lora"?), got "lorra"')
    expect(error.message).toContain('run.yaml:2:')
  })

  test('loadPlugins() takes paths from the given folder and every plugin of a module once', async () => {
    const [loaded, ...others] = await loadPlugins([EXAMPLE, EXAMPLE], { cwd: ROOT })
    expect(loaded.plugin).toBe(vectorScalePlugin)
    expect(loaded.place).toBe(join(ROOT, EXAMPLE))
    expect(loaded.version).toMatch(/^\d+\.\d+\.\d+$/)
    expect(others).toEqual([])
  })

  test('a model_type that only a plugin knows is used', async () => {
    const file = join(folder, 'model-plugin.ts')
    writeFileSync(
      file,
      `import { llama } from '${join(ROOT, 'plugins/models/families/llama.ts')}'
       export const renamed = { name: 'renamed', provides: { model: { llamoid: { ...llama, name: 'llamoid' } } } }`,
    )
    const base = join(folder, 'llamoid')
    cpSync(withTokenizer(), base, { recursive: true })
    const config = JSON.parse(readFileSync(join(base, 'config.json'), 'utf8'))
    writeFileSync(join(base, 'config.json'), JSON.stringify({ ...config, model_type: 'llamoid' }))
    const text = yaml({ base, adapter: 'lora', plugins: [file], extra: 'lora_target_linear: true' })
    using run = await prepareRun(readFinetuneConfig(text, 'run.yaml'), { device })
    expect(run.adapter?.adapters.size).toBe(21)
  })

  test.each([
    ['export const answer = 42', 'no export is a plugin; found answer (number)'],
    [
      'export const definition = { name: "mine", options: {}, create() {} }',
      'found definition (an object with name, options, create)',
    ],
    ['export {}', 'found no exports'],
    [
      'export const p = { name: "p", provides: { adapters: {} } }',
      'provides "adapters", which is no kind of thing',
    ],
    ['throw new Error("broken inside")', 'the module cannot be imported: broken inside'],
  ])('%s is an E_PLUGIN that says what was found', async (source, message) => {
    const file = join(folder, `plugin-${Bun.hash(source)}.ts`)
    writeFileSync(file, source)
    const error = await rejection(loadPlugins([file]))
    expect(error.code).toBe('E_PLUGIN')
    expect(error.message).toContain(message)
  })

  test('a module that is not there is an E_PLUGIN', async () => {
    expect((await rejection(loadPlugins(['./nowhere.ts'], { cwd: folder }))).message).toContain(
      'there is no file',
    )
    const missing = await rejection(loadPlugins(['tritune-plugin-of-nobody']))
    expect(missing.code).toBe('E_PLUGIN')
    expect(missing.message).toContain('is not installed\n  → bun add tritune-plugin-of-nobody')
  })
})

// ---- helpers ----------------------------------------------------------------------------------------------------

type Attached = ReturnType<typeof attach>

function attach(model: Model): ReturnType<typeof attachAdapter> {
  return attachAdapter(model, vectorScale, { init: 1 }, { targetModules: 'all-linear' })
}

function learn(model: Model, { parameters }: Attached, steps = 24): number[] {
  using optimizer = chain(clipByGlobalNorm(1), adamw()).init(parameters)
  const context = { model, device, parameters, optimizer, checkpointing: false, seed: 0 }
  return Array.from(
    { length: steps },
    (_, step) => trainStep(context, batches, { step, learningRate: 0.05 }).loss,
  )
}

function logitsOf(model: Model): Float32Array {
  return noGrad(() => {
    using _scope = tensorScope()
    return headLogits(model.head, model.hidden(createBatch(batches[0], device))).toArray()
  })
}

function expectClose(actual: Float32Array, expected: Float32Array, tolerance: number): void {
  expect(actual.length).toBe(expected.length)
  const worst = actual.reduce((max, value, i) => Math.max(max, Math.abs(value - expected[i])), 0)
  expect(worst).toBeLessThan(tolerance)
}

interface YamlOptions {
  readonly base?: string
  readonly adapter?: string
  readonly plugins?: readonly string[]
  readonly extra?: string
}

function yaml({
  base = withTokenizer(),
  adapter = 'vector-scale',
  plugins = [join(ROOT, EXAMPLE)],
  extra = '',
}: YamlOptions = {}): string {
  return `base_model: ${base}
adapter: ${adapter}
lora_target_modules: [q_proj, v_proj, down_proj]
plugins: ${JSON.stringify(plugins)}
datasets: [{ path: ${join(folder, 'data.jsonl')} }]
learning_rate: 0.05
sequence_len: 64
lr_scheduler: constant
gradient_accumulation_steps: 12
${extra}
`
}

function prepare(options: YamlOptions): Promise<unknown> {
  return prepareRun(readFinetuneConfig(yaml(options), 'run.yaml'), { device })
}

/** A copy of the base model with a tokenizer and the data of the run beside it. */
function withTokenizer(): string {
  const base = join(folder, 'base')
  cpSync(BASE, base, { recursive: true })
  cpSync(join(ROOT, 'tests/golden/tokenizer/digits'), base, { recursive: true })
  const lines = documents.map(({ inputIds, labels }) => JSON.stringify({ input_ids: inputIds, labels }))
  writeFileSync(join(folder, 'data.jsonl'), lines.join('\n'))
  return base
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
