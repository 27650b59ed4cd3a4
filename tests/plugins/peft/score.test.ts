/**
 * Adapters of models that score texts: files of PEFT with the task SEQ_CLS, and those that PEFT reads.
 */
import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { openCheckpoint } from '../../../core/files/checkpoint.ts'
import { documentScores, type Model, noGrad, tensorScope } from '../../../core/mod.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { createBatch, loadModel } from '../../../plugins/models/mod.ts'
import { adapterLabels, attachLora, loadAdapter, saveAdapter } from '../../../plugins/peft/mod.ts'
import { GOLDEN, goldenJson, readFloats, relativeError, temporaryFolder } from '../../_golden.ts'

const cpu = openCpu()
const BASE = join(GOLDEN, 'score-models', 'qwen2')
const ADAPTER = join(GOLDEN, 'peft-score')

/** Scores of the golden texts, without their pads. */
function scoresOf(model: Model): Float32Array {
  const expected = openCheckpoint(join(BASE, 'expected.safetensors'))
  const ints = (name: string): Int32Array => new Int32Array(readFloats(expected, name).buffer)
  const [padded, lengths] = [ints('input_ids'), ints('lengths')]
  const width = padded.length / lengths.length
  const offsets = [0]
  const ids = [...lengths].flatMap((length, row) => {
    offsets.push(offsets[row] + length)
    return [...padded.subarray(row * width, row * width + length)]
  })
  using _scope = tensorScope()
  const tokens = createBatch({ ids, offsets }, cpu)
  return noGrad(() => documentScores(model, model.hidden(tokens), tokens)).toArray()
}

test('a LoRA of PEFT with its head gives the scores of PEFT', () => {
  using model = loadModel(BASE, { device: cpu })
  using adapter = loadAdapter(model, ADAPTER)
  const expected = openCheckpoint(join(ADAPTER, 'expected.safetensors'))
  expect(relativeError(scoresOf(model), readFloats(expected, 'logits'))).toBeLessThanOrEqual(1e-5)
  using out = temporaryFolder()
  saveAdapter(out.path, adapter, { baseModel: BASE })
  const [mine, theirs] = [out.path, ADAPTER].map((folder) =>
    openCheckpoint(join(folder, 'adapter_model.safetensors')),
  )
  expect([...mine.entries.keys()].toSorted()).toEqual([...theirs.entries.keys()].toSorted())
  for (const name of theirs.entries.keys()) expect(readFloats(mine, name)).toEqual(readFloats(theirs, name))
})

test('every adapter of a model that scores trains the head too, and says its task', () => {
  using model = loadModel(BASE, { device: cpu })
  using adapter = attachLora(model, { rank: 2, alpha: 4, targetModules: ['q_proj', 'v_proj'] })
  expect([...adapter.parameters.keys()]).toContain('score.weight')
  using out = temporaryFolder()
  saveAdapter(out.path, adapter, { baseModel: BASE })
  const config = JSON.parse(readFileSync(join(out.path, 'adapter_config.json'), 'utf8'))
  const golden = goldenJson<Record<string, unknown>>('peft-score', 'adapter_config.json')
  expect(config.task_type).toBe('SEQ_CLS')
  expect(golden['task_type']).toBe('SEQ_CLS')
  expect(config.modules_to_save).toEqual(['score'])
  expect(adapterLabels(out.path)).toBe(3)
  expect(adapterLabels(ADAPTER)).toBe(3)
})

test('such an adapter makes a model that predicts tokens one that scores', () => {
  using out = temporaryFolder()
  const base = join(GOLDEN, 'models', 'qwen2')
  using first = loadModel(base, { device: cpu, labels: 3, seed: 1 })
  using adapter = attachLora(first, { rank: 2, targetModules: ['q_proj'], init: false })
  saveAdapter(out.path, adapter, { baseModel: base })
  const before = scoresOf(first)
  // Another seed: the head comes out of the file.
  using second = loadModel(base, { device: cpu, labels: adapterLabels(out.path), seed: 2 })
  using _adapter = loadAdapter(second, out.path)
  expect(relativeError(scoresOf(second), before)).toBeLessThanOrEqual(1e-6)
  using plain = loadModel(base, { device: cpu })
  expect(() => loadAdapter(plain, out.path)).toThrow('score')
})
