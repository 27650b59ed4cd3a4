/**
 * Checkpoints that do not fit: one error that names the file and the tensor, and nothing stays open.
 */
import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { countLiveTensors, TrituneError } from '../../../core/mod.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { loadModel } from '../../../plugins/models/mod.ts'
import { GOLDEN, temporaryFolder } from '../../_golden.ts'
import { type Damage, writeDamaged } from '../../_tiny.ts'

const cpu = openCpu()
const Q = 'model.layers.1.self_attn.q_proj.weight'

/** The error of loading a damaged llama; checks that nothing was left behind. */
function errorOf(damage: Damage, base = 'models/llama'): TrituneError {
  using temporary = temporaryFolder()
  const folder = join(temporary.path, 'model')
  writeDamaged(join(GOLDEN, base), folder, damage)
  const [tensors, live] = [countLiveTensors(), cpu.memory().live]
  try {
    loadModel(folder, { device: cpu })[Symbol.dispose]()
  } catch (error) {
    expect(countLiveTensors()).toBe(tensors)
    expect(cpu.memory().live).toBe(live)
    if (error instanceof TrituneError) return error
    throw error
  }
  throw new Error('the model was loaded')
}

test('a missing tensor is named, with the nearest names that are there', () => {
  const error = errorOf({ tensor: (t) => (t.name === Q ? null : t) })
  expect(error.code).toBe('E_MODEL')
  expect(error.message).toContain(`the checkpoint has no tensor "${Q}"`)
  expect(error.remedy).toContain('did you mean')
})

test('a tensor of the wrong shape is named with both shapes', () => {
  const error = errorOf({
    tensor: (t) => (t.name === Q ? { ...t, shape: [16, 32], values: t.values.slice(0, 512) } : t),
  })
  expect(error.message).toContain(Q)
  expect(error.message).toMatch(/\[?16, 32\]?/)
  expect(error.message).toMatch(/\[?32, 32\]?/)
})

test.each([
  ['NaN', Number.NaN],
  ['Inf', Number.POSITIVE_INFINITY],
])('a weight with %s is named with the element', (_, value) => {
  const error = errorOf({ tensor: (t) => (t.name === Q ? { ...t, values: t.values.with(77, value) } : t) })
  expect(error.code).toBe('E_MODEL')
  expect(error.message).toContain(`tensor "${Q}" has NaN or Inf (first at element 77 of 1024)`)
  expect(error.message).toContain('model.safetensors')
})

test('a file that was cut off is refused before anything is read', () => {
  const error = errorOf({ file: (bytes) => bytes.subarray(0, bytes.length - 100) })
  expect(error.code).toBe('E_FORMAT')
  expect(error.message).toContain('model.safetensors')
})

test('a header that claims more than the file has is refused', () => {
  const error = errorOf({
    file: (bytes) => {
      new DataView(bytes.buffer).setBigUint64(0, 2n ** 40n, true)
      return bytes
    },
  })
  expect(error.code).toBe('E_FORMAT')
})

test('a header whose offsets do not fit the shapes is refused', () => {
  const error = errorOf({
    file: (bytes) => {
      const text = new TextDecoder('latin1').decode(bytes)
      const changed = text.replace('"shape":[101,32]', '"shape":[101,31]')
      expect(changed).not.toBe(text)
      return Uint8Array.from(changed, (character) => character.charCodeAt(0))
    },
  })
  expect(error.code).toBe('E_FORMAT')
  expect(error.message).toContain('model.embed_tokens.weight')
})

test('a checkpoint that is packed in a way of its own is refused', () => {
  const error = errorOf({ config: { quantization_config: { quant_method: 'hqq', bits: 4 } } })
  expect(error.code).toBe('E_UNSUPPORTED')
  expect(error.remedy).toContain('the plain checkpoint')
})

test('an unknown model_type is refused with the nearest known', () => {
  const error = errorOf({ config: { model_type: 'qwen4' } })
  expect(error.code).toBe('E_UNSUPPORTED')
  expect(error.message).toContain('models of type "qwen4"')
  expect(error.remedy).toMatch(/qwen[23]/)
})

test.each([
  ['no model_type', { model_type: undefined }, 'model_type'],
  ['a negative size', { hidden_size: -32 }, 'hidden_size'],
  ['a text instead of a number', { num_hidden_layers: 'two' }, 'num_hidden_layers'],
  ['a layer too many', { num_hidden_layers: 3 }, 'model.layers.2.'],
  ['heads that do not divide', { num_attention_heads: 4, num_key_value_heads: 3 }, 'multiple'],
  ['an unknown activation', { hidden_act: 'relu6' }, 'relu6'],
])('a config with %s is refused', (_, config, named) => {
  expect(errorOf({ config }).message).toContain(named)
})

test.each([
  ['a folder that is not there', 'nowhere'],
  ['a folder without config.json', '.'],
])('%s is refused', (_, name) => {
  using temporary = temporaryFolder()
  const folder = join(temporary.path, name)
  expect(() => loadModel(folder, { device: cpu })).toThrow(TrituneError)
  expect(() => loadModel(folder, { device: cpu })).toThrow(temporary.path)
})
