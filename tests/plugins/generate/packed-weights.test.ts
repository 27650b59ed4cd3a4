/**
 * Models that only write, with all weights but the embedding packed.
 */
import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { headLogits, isQuantized, type Model, noGrad, tensorScope } from '../../../core/mod.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { generate, generateBatch, openGenerator, packedWeights } from '../../../plugins/generate/mod.ts'
import { createBatch, loadModel } from '../../../plugins/models/mod.ts'
import { ROOT } from '../../../scripts/_setup.ts'
import { GOLDEN, relativeError } from '../../_golden.ts'

const cpu = openCpu()
const QUICKSTART = join(ROOT, 'quickstart/model')

function logitsOf(model: Model, ids: readonly number[]): number[] {
  using _scope = tensorScope()
  return [...noGrad(() => headLogits(model.head, model.hidden(createBatch({ ids }, cpu)))).toArray()]
}

test.each([
  ['the bundled model', QUICKSTART],
  ['a tied head', join(GOLDEN, 'models/gemma')],
  ['a head of its own', join(GOLDEN, 'models/llama')],
  ['gpt2', join(GOLDEN, 'models/gpt2')],
])('%s: the head is packed, the embedding is not, and logits are near', (_, folder) => {
  const ids = [5, 17, 42, 9, 3]
  using plain = loadModel(folder, { device: cpu, dtype: 'f32' })
  using packed = loadModel(folder, { device: cpu, dtype: 'f32', ...packedWeights('int8') })
  expect(isQuantized(packed.head.weight)).toBe(true)
  expect(isQuantized(packed.embedding.weight)).toBe(false)
  expect(packed.weights.has('lm_head.weight')).toBe(false)
  expect(relativeError(logitsOf(packed, ids), logitsOf(plain, ids))).toBeLessThan(0.1)
  const options = { maxNewTokens: 6 }
  const alone = [...generate(packed, ids, options)]
  const batch = [...generateBatch(packed, [ids, [1, 2]], options)].filter(({ row }) => row === 0)
  expect(batch.map(({ id }) => id)).toEqual(alone)
})

test('the bundled model says much the same in 8 bits', async () => {
  const device = cpu
  const input = { prompt: 'My fellow citizens, ' }
  using plain = await openGenerator(QUICKSTART, { device, dtype: 'f32' })
  using packed = await openGenerator(QUICKSTART, { device, dtype: 'f32', quantizer: 'int8' })
  const [a, b] = [plain, packed].map((generator) =>
    [...generator.stream(input, { maxNewTokens: 12 })].join(''),
  )
  expect(b.slice(0, 20)).toBe(a.slice(0, 20))
})

test('logits of a packed head are not rounded to bf16', () => {
  using model = loadModel(QUICKSTART, { device: cpu, dtype: 'bf16', ...packedWeights('int8') })
  const logits = logitsOf(model, [5, 17, 42])
  expect(new Set(logits).size).toBeGreaterThan(0.9 * logits.length)
})
