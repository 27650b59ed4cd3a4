/**
 * Adapter folders as tritune writes them, beside those that PEFT wrote for the same options.
 */
import { expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { openSafetensors } from '../../../core/files/safetensors.ts'
import { setTensorBytes, tensorBytes } from '../../../core/tensor/tensor-bytes.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { loadModel } from '../../../plugins/models/mod.ts'
import { attachLora, loadAdapter, type LoraModelOptions, saveAdapter } from '../../../plugins/peft/mod.ts'
import { ADAPTER_CASES, logitsOf, openGoldenAdapter, sameBytes, temporaryFolder } from '../../_golden.ts'

const cpu = openCpu()

/** Fields that came with PEFT 0.20 and later. An older PEFT warns about fields that it does not know. */

/** What tests/oracle/peft_train.py gave to LoraConfig. */
const OPTIONS: Readonly<Record<string, LoraModelOptions>> = {
  'b-nonzero': {
    rank: 4,
    alpha: 8,
    targetModules: ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'],
  },
  rslora: { rank: 9, alpha: 6, rsLora: true, targetModules: ['q_proj', 'v_proj', 'up_proj'] },
  regex: {
    rank: 3,
    alpha: 5,
    targetModules: String.raw`.*\.(0|2)\.(self_attn\.(q|v)_proj|mlp\.down_proj)`,
    excludeModules: String.raw`.*\.2\..*v_proj`,
  },
  gpt2: { rank: 4, alpha: 8, targetModules: ['c_attn', 'mlp.c_proj'] },
}

function readConfig(folder: string): Record<string, unknown> {
  return JSON.parse(readFileSync(join(folder, 'adapter_config.json'), 'utf8'))
}

/** Without the version, and with lists that PEFT keeps as sets in one order. */
function comparable(config: Record<string, unknown>): Record<string, unknown> {
  const sets = ['target_modules', 'exclude_modules']
  return Object.fromEntries(
    Object.entries(config)
      .filter(([key]) => key !== 'peft_version')
      .map(([key, value]) => [key, sets.includes(key) && Array.isArray(value) ? value.toSorted() : value]),
  )
}

function shapesOf(folder: string): Map<string, string> {
  const { entries } = openSafetensors(join(folder, 'adapter_model.safetensors'))
  return new Map([...entries].map(([name, entry]) => [name, `${entry.dtype} ${entry.shape.join('×')}`]))
}

test.each(Object.keys(OPTIONS))('%s: the files that PEFT writes for these options', (name) => {
  const golden = openGoldenAdapter(name)
  using temporary = temporaryFolder()
  const folder = join(temporary.path, 'adapter')
  using model = loadModel(golden.base, { device: cpu })
  using adapter = attachLora(model, OPTIONS[name])
  saveAdapter(folder, adapter, { baseModel: golden.info.base })
  expect(readdirSync(folder).toSorted()).toEqual(['adapter_config.json', 'adapter_model.safetensors'])

  const theirs = readConfig(golden.folder)
  expect(comparable(readConfig(folder))).toEqual(comparable(theirs))
  expect([...shapesOf(folder)]).toEqual([...shapesOf(golden.folder)])
  const metadata = (path: string): unknown =>
    openSafetensors(join(path, 'adapter_model.safetensors')).metadata
  expect(metadata(folder)).toEqual(metadata(golden.folder))
})

test('adapter_config.json has sorted keys and two spaces', () => {
  using temporary = temporaryFolder()
  using model = loadModel(openGoldenAdapter('rslora').base, { device: cpu })
  using adapter = attachLora(model, {
    targetModules: ['v_proj', 'q_proj'],
    rankPattern: { v_proj: 2, q_proj: 3 },
  })
  saveAdapter(temporary.path, adapter, { baseModel: 'some/model' })
  const text = readFileSync(join(temporary.path, 'adapter_config.json'), 'utf8')
  const config: Record<string, unknown> = JSON.parse(text)
  expect(text).toBe(`${JSON.stringify(config, null, 2)}\n`)
  expect(Object.keys(config)).toEqual(Object.keys(config).toSorted())
  expect(Object.keys(config.rank_pattern as object)).toEqual(['q_proj', 'v_proj'])
  expect(config.base_model_name_or_path).toBe('some/model')
  expect(config.inference_mode).toBe(true)
})

test.each([...ADAPTER_CASES])('%s: load, save and load again gives the same bits and settings', (name) => {
  const golden = openGoldenAdapter(name)
  using temporary = temporaryFolder()
  using model = loadModel(golden.base, { device: cpu })
  const before = new Map<string, Float32Array>()
  let logits: Float32Array
  {
    using adapter = loadAdapter(model, golden.folder)
    for (const [path, t] of adapter.parameters) before.set(path, t.toArray())
    logits = logitsOf(model, golden.sequences)
    saveAdapter(temporary.path, adapter, { baseModel: golden.info.base })
  }
  expect(comparable(readConfig(temporary.path))).toEqual(comparable(readConfig(golden.folder)))
  using again = loadAdapter(model, temporary.path)
  expect([...again.parameters.keys()]).toEqual([...before.keys()])
  for (const [path, t] of again.parameters)
    expect(sameBytes(t.toArray(), before.get(path) ?? new Float32Array()), path).toBe(true)
  expect(sameBytes(logitsOf(model, golden.sequences), logits)).toBe(true)
})

test.each(['all-linear', String.raw`.*\.(q|v)_proj`])(
  'layers of %s are saved as a list of modules: PEFT allows no expression there',
  (targetModules) => {
    using temporary = temporaryFolder()
    using model = loadModel(openGoldenAdapter('rslora').base, { device: cpu })
    using adapter = attachLora(model, { targetModules, layersToTransform: [1] })
    saveAdapter(temporary.path, adapter, { baseModel: null })
    const { target_modules, layers_to_transform } = readConfig(temporary.path)
    expect(layers_to_transform).toEqual([1])
    expect(target_modules).toEqual([...adapter.adapters.keys()])
    expect(target_modules).toContain('model.layers.1.self_attn.q_proj')
  },
)

test('a save that ends half-way leaves no adapter, never new weights under old settings', () => {
  using temporary = temporaryFolder()
  using model = loadModel(openGoldenAdapter('rslora').base, { device: cpu })
  {
    using old = attachLora(model, { targetModules: ['q_proj'], alpha: 2 })
    saveAdapter(temporary.path, old, { baseModel: null })
  }
  using adapter = attachLora(model, { targetModules: ['q_proj'], alpha: 32 })
  const unplugged = (): never => {
    throw new Error('unplugged')
  }
  const dying = { ...adapter, config: { ...adapter.config, loftq_config: { toJSON: unplugged } } }
  expect(() => saveAdapter(temporary.path, dying, { baseModel: null })).toThrow('unplugged')
  expect(() => loadAdapter(model, temporary.path)).toThrow('adapter_config.json is missing')
  saveAdapter(temporary.path, adapter, { baseModel: null })
  expect(readConfig(temporary.path).lora_alpha).toBe(32)
})

test('a trained adapter with patterns, rsLoRA and odd values comes back bit by bit', () => {
  using temporary = temporaryFolder()
  const golden = openGoldenAdapter('patterns')
  using model = loadModel(golden.base, { device: cpu })
  let logits: Float32Array
  {
    using adapter = attachLora(model, {
      targetModules: 'all-linear',
      excludeModules: ['k_proj'],
      layersToTransform: [0, 2],
      rank: 5,
      alpha: 3.5,
      rsLora: true,
      dropout: 0.25,
      rankPattern: { 'mlp.down_proj': 2 },
      alphaPattern: { q_proj: 7 },
    })
    for (const [i, t] of [...adapter.parameters.values()].entries()) {
      const values = Float32Array.from({ length: t.size }, (_, j) => Math.sin(i + j) / 3)
      setTensorBytes(t, new Uint8Array(values.buffer))
    }
    logits = logitsOf(model, golden.sequences)
    saveAdapter(temporary.path, adapter, { baseModel: null })
  }
  using again = loadAdapter(model, temporary.path)
  expect(sameBytes(logitsOf(model, golden.sequences), logits)).toBe(true)
  const [first] = again.parameters.values()
  expect(Buffer.concat([...tensorBytes(first)]).byteLength).toBe(5 * 32 * 4)
})
