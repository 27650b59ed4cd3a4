/**
 * Every family with LoRA on all its linear layers and its embedding, beside PEFT: logits, loss, gradients, files; and merged.
 */
import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { openCheckpoint } from '../../../core/files/checkpoint.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { exportModel } from '../../../plugins/export/mod.ts'
import { saveModel } from '../../../plugins/finetune/mod.ts'
import { loadModel } from '../../../plugins/models/mod.ts'
import { loadAdapter, loadGgufAdapter, saveAdapter, trainAllWeights } from '../../../plugins/peft/mod.ts'
import {
  GOLDEN,
  logitsOf,
  lossAndGradients,
  readFloats,
  readSequences,
  relativeError,
  temporaryFolder,
} from '../../_golden.ts'

const cpu = openCpu()

const CASES = [
  'gemma',
  'gemma2',
  'gemma3',
  'gemma3-images',
  'phi3',
  'phi3-longrope',
  'olmo2',
  'granite',
  'smollm3',
  'glm',
  'glm4',
  'cohere',
  'cohere2',
  'stablelm',
  'stablelm-parallel',
]

const baseOf = (name: string): string => join(GOLDEN, 'models', name)
const adapterOf = (name: string): string => join(GOLDEN, 'model-lora', name)
const namesOf = (folder: string): string[] => [...openCheckpoint(folder).entries.keys()].toSorted()

test.each(CASES)("%s: logits, loss and gradients of PEFT's LoRA, and its files", (name) => {
  const folder = adapterOf(name)
  const expected = openCheckpoint(join(folder, 'expected.safetensors'))
  const sequences = readSequences(expected)
  using model = loadModel(baseOf(name), { device: cpu })
  using adapter = loadAdapter(model, folder)
  expect(relativeError(logitsOf(model, sequences), readFloats(expected, 'logits'))).toBeLessThanOrEqual(1e-5)
  const loss = lossAndGradients(model, sequences, { checkpointing: false })
  expect(Math.abs(loss - readFloats(expected, 'loss')[0])).toBeLessThanOrEqual(1e-5)
  for (const [parameter, { grad }] of adapter.parameters)
    expect(
      relativeError(grad?.toArray() ?? [], readFloats(expected, `grad.base_model.model.${parameter}`)),
      parameter,
    ).toBeLessThanOrEqual(1e-5)
  using out = temporaryFolder()
  saveAdapter(out.path, adapter, { baseModel: name })
  const file = (of: string): string => join(of, 'adapter_model.safetensors')
  expect(namesOf(file(out.path))).toEqual(namesOf(file(folder)))
})

test.each(CASES.filter((name) => name !== 'gemma3-images'))(
  '%s, merged, has the tensors of the checkpoint and the logits of the adapter',
  (name) => {
    const sequences = readSequences(openCheckpoint(join(adapterOf(name), 'expected.safetensors')))
    using out = temporaryFolder()
    using model = loadModel(baseOf(name), { device: cpu })
    using _adapter = loadAdapter(model, adapterOf(name))
    saveModel(model, baseOf(name), out.path)
    // An adapter on a tied embedding takes the head apart.
    const tied = model.head.tiedTo !== null ? ['lm_head.weight'] : []
    expect(namesOf(out.path)).toEqual([...namesOf(baseOf(name)), ...tied].toSorted())
    using merged = loadModel(out.path, { device: cpu })
    expect(relativeError(logitsOf(merged, sequences), logitsOf(model, sequences))).toBeLessThanOrEqual(1e-5)
  },
)

test('gemma3-images, merged, is the text alone', () => {
  const sequences = readSequences(openCheckpoint(join(adapterOf('gemma3-images'), 'expected.safetensors')))
  using out = temporaryFolder()
  using model = loadModel(baseOf('gemma3-images'), { device: cpu })
  using _adapter = loadAdapter(model, adapterOf('gemma3-images'))
  saveModel(model, baseOf('gemma3-images'), out.path)
  expect(namesOf(out.path)).toEqual(namesOf(baseOf('gemma3')))
  using merged = loadModel(out.path, { device: cpu })
  expect(merged.info.type).toBe('gemma3_text')
  expect(relativeError(logitsOf(merged, sequences), logitsOf(model, sequences))).toBeLessThanOrEqual(1e-5)
})

test.each(CASES)('%s, all weights trained, is written as it was', (name) => {
  using out = temporaryFolder()
  using model = loadModel(baseOf(name), { device: cpu, writable: true })
  const trained = [...trainAllWeights(model).keys()].map((own) => model.info.written?.nameOf(own) ?? own)
  saveModel(model, baseOf(name), out.path)
  expect(trained.toSorted()).toEqual(namesOf(out.path))
  const isText = name === 'gemma3-images'
  expect(namesOf(out.path)).toEqual(namesOf(baseOf(isText ? 'gemma3' : name)))
  using again = loadModel(out.path, { device: cpu })
  for (const [own, weight] of again.weights)
    expect([...weight.toArray()], own).toEqual([
      ...(model.weights.get(isText ? own.replace('model.', 'model.language_model.') : own)?.toArray() ?? []),
    ])
})

test.each(['gemma3-images', 'glm4', 'phi3'])('%s: the LoRA as a GGUF file and back', async (name) => {
  const sequences = readSequences(openCheckpoint(join(adapterOf(name), 'expected.safetensors')))
  using out = temporaryFolder()
  const file = join(out.path, 'lora.gguf')
  await exportModel(adapterOf(name), { to: 'gguf', output: file, lora: true, base: baseOf(name) })
  using model = loadModel(baseOf(name), { device: cpu })
  const logits = ((): Float32Array => {
    using _adapter = loadAdapter(model, adapterOf(name))
    return logitsOf(model, sequences)
  })()
  using _same = loadGgufAdapter(model, file)
  expect(relativeError(logitsOf(model, sequences), logits)).toBeLessThanOrEqual(1e-6)
})

test('fractions of config.json stay fractions, which transformers insists on', () => {
  using out = temporaryFolder()
  using model = loadModel(baseOf('gemma2'), { device: cpu })
  saveModel(model, baseOf('gemma2'), out.path)
  const text = readFileSync(join(out.path, 'config.json'), 'utf8')
  expect(text).toContain('"final_logit_softcapping": 8.0')
  expect(text).toContain('"attn_logit_softcapping": 5.0')
  expect(text).toContain('"query_pre_attn_scalar": 24,')
})
