/**
 * The KV cache: whatever way a document is fed, the hidden states are those of one full forward.
 */
import { expect, test } from 'bun:test'
import {
  countLiveTensors,
  type KvCache,
  headLogits,
  type Model,
  noGrad,
  tensorScope,
  TrituneError,
} from '../../../core/mod.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { createBatch, loadModel } from '../../../plugins/models/mod.ts'
import { logitsOf, openGoldenModel, relativeError } from '../../_golden.ts'

const cpu = openCpu()

/** Logits of some more tokens of the document that the cache holds. */
function feed(model: Model, cache: KvCache, ids: Int32Array): Float32Array {
  using _scope = tensorScope()
  return noGrad(() => {
    const positions = Int32Array.from(ids, (_, i) => cache.length + i)
    return headLogits(model.head, model.hidden(createBatch({ ids, positions }, cpu), { cache })).toArray()
  })
}

function inChunks(model: Model, ids: Int32Array, sizes: readonly number[]): number[] {
  using cache = model.createCache(ids.length)
  const logits: number[] = []
  let start = 0
  for (const size of sizes) {
    logits.push(...feed(model, cache, ids.subarray(start, start + size)))
    start += size
  }
  expect(cache.length).toBe(ids.length)
  return logits
}

// mistral, qwen2-sliding, gemma2, gemma3, cohere2 and phi3 have windows shorter than the document.
test.each([
  'llama',
  'mistral',
  'qwen2-sliding',
  'qwen3-rope-yarn',
  'gpt2',
  'bitnet',
  'tritter',
  'gemma',
  'gemma2',
  'gemma3',
  'phi3',
  'phi3-longrope-short',
  'olmo2',
  'granite',
  'smollm3',
  'glm',
  'glm4',
  'cohere',
  'cohere2',
  'stablelm',
  'stablelm-parallel',
])('the cache of %s gives the logits of a full forward, however it is filled', (name) => {
  const { folder, sequences } = openGoldenModel(name)
  using model = loadModel(folder, { device: cpu })
  const ids = sequences.ids.slice(0, sequences.length)
  const full = logitsOf(model, { ids, rows: 1, length: ids.length })
  const n = ids.length
  const fillings = [[n], [n - 1, 1], [1, n - 1], [5, 6, n - 11], Array.from({ length: n }, () => 1)]
  for (const sizes of fillings)
    expect(relativeError(inChunks(model, ids, sizes), full), sizes.join()).toBeLessThanOrEqual(1e-5)
})

test('a cache that is full refuses more, and its capacity is said', () => {
  const { folder, sequences } = openGoldenModel('llama')
  using model = loadModel(folder, { device: cpu })
  using cache = model.createCache(6)
  feed(model, cache, sequences.ids.slice(0, 4))
  const overflow = (): unknown => feed(model, cache, sequences.ids.slice(4, 7))
  expect(overflow).toThrow('the KV cache holds 6 tokens, 7 are needed')
  expect(overflow).toThrow(TrituneError)
  expect(cache.length).toBe(4)
})

test('a cache gives back its memory, also after an error', () => {
  const { folder, sequences } = openGoldenModel('llama')
  using model = loadModel(folder, { device: cpu })
  logitsOf(model, sequences) // makes the rope tables
  const [tensors, live] = [countLiveTensors(), cpu.memory().live]
  {
    using cache = model.createCache(8)
    feed(model, cache, sequences.ids.slice(0, 3))
    expect(() => feed(model, cache, sequences.ids.slice(0, 9))).toThrow()
    expect(countLiveTensors()).toBeGreaterThan(tensors)
  }
  expect(countLiveTensors()).toBe(tensors)
  expect(cpu.memory().live).toBe(live)
})
