/**
 * Models that score texts: what transformers gives, new heads, and what cannot be.
 */
import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { openCheckpoint } from '../../../core/files/checkpoint.ts'
import {
  backward,
  documentScores,
  mul,
  noGrad,
  scoredRows,
  sum,
  tensor,
  tensorScope,
} from '../../../core/mod.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { saveModel } from '../../../plugins/finetune/mod.ts'
import { createBatch, loadModel, readConfig } from '../../../plugins/models/mod.ts'
import { trainAllWeights } from '../../../plugins/peft/mod.ts'
import { GOLDEN, readFloats, relativeError, temporaryFolder } from '../../_golden.ts'

const cpu = openCpu()
const folderOf = (name: string): string => join(GOLDEN, 'score-models', name)

/** The golden texts without their pads, one after the other. */
function textsOf(name: string): { readonly ids: number[]; readonly offsets: number[] } {
  const expected = openCheckpoint(join(folderOf(name), 'expected.safetensors'))
  const ints = (tensorName: string): Int32Array => new Int32Array(readFloats(expected, tensorName).buffer)
  const [padded, lengths] = [ints('input_ids'), ints('lengths')]
  const width = padded.length / lengths.length
  const ids = [...lengths].flatMap((length, row) => [...padded.subarray(row * width, row * width + length)])
  const offsets = [0]
  for (const length of lengths) offsets.push((offsets.at(-1) ?? 0) + length)
  return { ids, offsets }
}

test.each(['llama', 'qwen2', 'qwen3'])(
  '%s scores packed texts as transformers scores padded ones',
  (name) => {
    const expected = openCheckpoint(join(folderOf(name), 'expected.safetensors'))
    using model = loadModel(folderOf(name), { device: cpu, writable: true })
    const parameters = trainAllWeights(model)
    using _scope = tensorScope()
    const tokens = createBatch(textsOf(name), cpu)
    const scores = documentScores(model, model.hidden(tokens), tokens)
    expect(relativeError(scores.toArray(), readFloats(expected, 'logits'))).toBeLessThanOrEqual(1e-5)
    backward(sum(mul(scores, tensor(readFloats(expected, 'factors'), { shape: scores.shape, device: cpu }))))
    expect([...parameters.keys()]).toContain('score.weight')
    for (const [weight, { grad }] of parameters) {
      const error = relativeError(grad?.toArray() ?? [], readFloats(expected, `grad.${weight}`))
      expect(error, weight).toBeLessThanOrEqual(1e-4)
      grad?.dispose()
    }
  },
)

test('the last token that is no pad stands for a text; of nothing but pads the first', () => {
  using model = loadModel(folderOf('llama'), { device: cpu })
  using _scope = tensorScope()
  const tokens = createBatch({ ids: [5, 2, 7, 8, 2, 2, 2], offsets: [0, 2, 5, 7] }, cpu)
  expect([...scoredRows(model, tokens)]).toEqual([0, 3, 5])
})

test('a model that predicts tokens gets a new head, and is written as one that scores', () => {
  using folder = temporaryFolder()
  const base = join(GOLDEN, 'models', 'qwen2')
  const scored = ({ ids = [3, 4, 5] }, path: string, labels?: number): Float32Array => {
    using model = loadModel(path, { device: cpu, ...(labels === undefined ? {} : { labels, seed: 4 }) })
    if (labels !== undefined) saveModel(model, base, folder.path, { tokenizerPath: base })
    using _scope = tensorScope()
    const tokens = createBatch({ ids }, cpu)
    return noGrad(() => documentScores(model, model.hidden(tokens), tokens)).toArray()
  }
  const before = scored({}, base, 3)
  expect(before).toHaveLength(3)
  expect(scored({}, folder.path)).toEqual(before)
  const { architectures, id2label } = readConfig(folder.path)
  expect(architectures).toEqual(['Qwen2ForSequenceClassification'])
  expect(id2label).toEqual({ 0: 'LABEL_0', 1: 'LABEL_1', 2: 'LABEL_2' })
  expect(openCheckpoint(folder.path).entries.has('score.weight')).toBe(true)
  expect(() => loadModel(folder.path, { device: cpu, labels: 2 })).toThrow('scores 3 labels, 2 are asked for')
})

test('what cannot score says so', () => {
  expect(() => loadModel(join(GOLDEN, 'models', 'gpt2'), { device: cpu, labels: 1 })).toThrow(
    'a GPT2LMHeadModel cannot score texts',
  )
  expect(() => loadModel(folderOf('llama'), { device: cpu, labels: 1.5 })).toThrow(
    'a whole number of scores from 1',
  )
  using model = loadModel(join(GOLDEN, 'models', 'llama'), { device: cpu })
  using _scope = tensorScope()
  const tokens = createBatch({ ids: [1] }, cpu)
  expect(() => documentScores(model, model.hidden(tokens), tokens)).toThrow('no head that scores texts')
})
