/**
 * Adapter folders that do not fit or are broken: one error, and the model is as it was.
 */
import { describe, expect, test } from 'bun:test'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { TrituneError } from '../../../core/mod.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { loadModel } from '../../../plugins/models/mod.ts'
import { loadAdapter } from '../../../plugins/peft/mod.ts'
import { openGoldenAdapter, temporaryFolder } from '../../_golden.ts'
import { type Damage, writeDamaged } from '../../_tiny.ts'

const cpu = openCpu()
const golden = openGoldenAdapter('b-nonzero')
const A = 'base_model.model.model.layers.1.mlp.up_proj.lora_A.weight'
const B = 'base_model.model.model.layers.1.mlp.up_proj.lora_B.weight'

function errorOf(damage: Damage, after: (folder: string) => void = () => {}): TrituneError {
  using temporary = temporaryFolder()
  const folder = join(temporary.path, 'adapter')
  writeDamaged(golden.folder, folder, damage)
  after(folder)
  using model = loadModel(golden.base, { device: cpu })
  try {
    loadAdapter(model, folder)[Symbol.dispose]()
  } catch (error) {
    expect([...model.layers.values()].some(({ adapters }) => adapters.length > 0)).toBe(false)
    if (!(error instanceof TrituneError)) throw error
    expect(error.message).toContain(folder)
    return error
  }
  throw new Error('the adapter was loaded')
}

test('weights of another rank than the settings say', () => {
  const error = errorOf({ config: { r: 6 } })
  expect(error.code).toBe('E_ADAPTER')
  expect(error.message).toContain('has shape (4, 32); adapter_config.json and this model ask for (6, 32)')
})

test('a rank of one module that rank_pattern does not tell', () => {
  const error = errorOf({
    tensor: (t) => {
      if (t.name === A) return { ...t, shape: [2, 32], values: t.values.slice(0, 64) }
      if (t.name === B) return { ...t, shape: [44, 2], values: t.values.slice(0, 88) }
      return t
    },
  })
  expect(error.message).toContain(`"${A}" has shape (2, 32)`)
})

test('factors that do not fit the layer', () => {
  const error = errorOf({
    tensor: (t) => (t.name === A ? { ...t, shape: [4, 31], values: t.values.slice(0, 124) } : t),
  })
  expect(error.code).toBe('E_ADAPTER')
  expect(error.message).toContain(A)
})

test('factors of different rank', () => {
  const error = errorOf({
    tensor: (t) => (t.name === B ? { ...t, shape: [44, 3], values: t.values.slice(0, 132) } : t),
  })
  expect(error.message).toContain(B)
})

test.each([A, B])('one half of a pair is missing: %s', (name) => {
  const error = errorOf({ tensor: (t) => (t.name === name ? null : t) })
  expect(error.code).toBe('E_ADAPTER')
  expect(error.message).toContain(`there is no tensor "${name}"`)
})

test('weights for a module that the model lacks', () => {
  const error = errorOf({ tensor: (t) => ({ ...t, name: t.name.replace('layers.2.', 'layers.7.') }) })
  expect(error.code).toBe('E_ADAPTER')
  expect(error.message).toContain('model.layers.7.')
  expect(error.message).toContain('which the model lacks')
  expect(error.remedy).toContain('did you mean')
})

test('a tensor that is no part of a LoRA', () => {
  const error = errorOf({
    tensor: (t) => (t.name === A ? { ...t, name: A.replace('lora_A', 'hada_w1') } : t),
  })
  expect(error.code).toBe('E_UNSUPPORTED')
})

test('a factor with NaN', () => {
  const error = errorOf({
    tensor: (t) => (t.name === B ? { ...t, values: t.values.with(3, Number.NaN) } : t),
  })
  expect(error.message).toContain(`tensor "${B}" has NaN or Inf`)
  expect(error.remedy).toContain('take an earlier checkpoint')
})

test.each<[string, Damage]>([
  ['an empty file', { file: () => new Uint8Array() }],
  ['a file of eight zeros', { file: () => new Uint8Array(8) }],
  ['a file that was cut off', { file: (bytes) => bytes.subarray(0, bytes.length - 1) }],
  ['a file with no tensors', { tensor: () => null }],
  ['another type of adapter', { config: { peft_type: 'IA3' } }],
  ['biases of a kind that there is not', { config: { bias: 'some' } }],
  ['modules that were trained whole', { config: { modules_to_save: ['lm_head'] } }],
])('%s is refused', (_, damage) => {
  expect(['E_FORMAT', 'E_ADAPTER', 'E_UNSUPPORTED']).toContain(errorOf(damage).code)
})

test.each([
  ['adapter_config.json', 'adapter_config.json is missing'],
  ['adapter_model.safetensors', 'no adapter_model.safetensors'],
])('a folder without %s is refused', (file, said) => {
  expect(errorOf({}, (folder) => rmSync(join(folder, file))).message).toContain(said)
})

test.each(['{', '[]', 'null', '"LORA"'])('an adapter_config.json of %s is refused', (text) => {
  const error = errorOf({}, (folder) => writeFileSync(join(folder, 'adapter_config.json'), text))
  expect(['E_FORMAT', 'E_UNSUPPORTED']).toContain(error.code)
})

test('settings that are no numbers are refused', () => {
  expect(errorOf({ config: { r: 'four' } }).code).toBe('E_ADAPTER')
  expect(errorOf({ config: { lora_alpha: 'eight' } }).code).toBe('E_ADAPTER')
  expect(errorOf({ config: { alpha_pattern: { q_proj: '8' } } }).message).toContain('alpha_pattern: q_proj')
})

describe('target_modules and the tensors', () => {
  const paths = [...golden.info.matched]
  const LAYERS = [0, 1, 2, 3]
  test.each<[string, Damage['config'], string]>([
    ['a list that leaves layers out', { target_modules: ['zz_proj', 'v_proj'] }, 'has tensors for'],
    [
      'a list that fits nothing',
      { target_modules: ['zz_proj'] },
      '"zz_proj" of target_modules matches no layer',
    ],
    ['an expression', { target_modules: String.raw`.*\.v_proj` }, 'has tensors for'],
    ['excluded layers', { exclude_modules: ['up_proj'] }, 'has tensors for model.layers.'],
    ['one layer of the model', { layers_to_transform: 0 }, 'has tensors for model.layers.1.'],
    ['an expression that cannot be read', { target_modules: '(' }, 'is not a regular expression'],
    [
      'layers of another pattern',
      { layers_to_transform: LAYERS, layers_pattern: ['blocks'] },
      'has tensors for',
    ],
    ['no names', { target_modules: [1] }, 'expected a text or a list of texts'],
  ])('that differ are refused: %s', (_, config, said) => {
    const error = errorOf({ config })
    expect(error.code).toBe('E_ADAPTER')
    expect(error.message).toContain('adapter_config.json: ')
    expect(error.message).toContain(said)
  })

  test('that differ are refused: a layer without tensors', () => {
    const error = errorOf({ tensor: (t) => (t.name.includes('.layers.1.') ? null : t) })
    expect(error.code).toBe('E_ADAPTER')
    expect(error.message).toContain('names model.layers.1.self_attn.q_proj')
    expect(error.message).toContain('and 4 more, for which adapter_model.safetensors has no tensors')
  })

  test.each<[string, Record<string, unknown>]>([
    ['full paths', { target_modules: paths }],
    ['a name of another model beside those that fit', { target_modules: [...paths, 'c_attn'] }],
    ['an expression', { target_modules: paths.map((path) => path.replaceAll('.', '\\.')).join('|') }],
    ['exclusions that fit nothing', { target_modules: paths, exclude_modules: ['c_attn'] }],
    ['none named', { target_modules: null }],
    ['full paths, whatever their index', { target_modules: paths, layers_to_transform: [0] }],
    ['layers by a pattern', { layers_to_transform: LAYERS, layers_pattern: 'layers' }],
  ])('that agree are loaded: %s', (_, config) => {
    using temporary = temporaryFolder()
    const folder = join(temporary.path, 'adapter')
    writeDamaged(golden.folder, folder, { config })
    using model = loadModel(golden.base, { device: cpu })
    using adapter = loadAdapter(model, folder)
    expect([...adapter.adapters.keys()]).toEqual(paths)
  })
})
