/**
 * Token by token: greedy choice, sampling, penalties, stops, seeds, limits.
 */
import { describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { countLiveTensors, type Model, referenceDevice, TrituneError } from '../../../core/mod.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { generate, type GenerateOptions } from '../../../plugins/generate/mod.ts'
import { loadModel } from '../../../plugins/models/mod.ts'
import { GOLDEN, logitsOf } from '../../_golden.ts'

const cpu = openCpu()
const PROMPT = [5, 17, 42, 9]

function open(name: string, device = cpu): Model {
  return loadModel(join(GOLDEN, 'models', name), { device })
}

/** Logits of the token after `ids`, by a full forward. */
function nextLogits(model: Model, ids: readonly number[]): Float32Array {
  const all = logitsOf(model, { ids: Int32Array.from(ids), rows: 1, length: ids.length })
  return all.slice(-model.info.vocabSize)
}

const ranked = (logits: Float32Array): number[] =>
  [...logits.keys()].toSorted((a, b) => logits[b] - logits[a] || a - b)

function make(model: Model, options: GenerateOptions): number[] {
  return [...generate(model, PROMPT, { maxNewTokens: 12, ...options })]
}

test.each(['llama', 'mistral', 'qwen2-sliding', 'qwen3', 'gpt2', 'bitnet', 'tritter', 'llama-rope-yarn'])(
  'greedy tokens of %s are the argmax of full forwards',
  (name) => {
    using model = open(name)
    const made = make(model, { maxNewTokens: 16 })
    expect(made).toHaveLength(16)
    for (const [i, id] of made.entries())
      expect(id).toBe(ranked(nextLogits(model, [...PROMPT, ...made.slice(0, i)]))[0])
  },
)

test('the CPU and the reference device choose the same tokens', () => {
  using native = open('llama')
  using reference = open('llama', referenceDevice)
  for (const options of [
    {},
    { temperature: 0.8, seed: 3 },
    { temperature: 1, topP: 0.9, repetitionPenalty: 1.3 },
  ])
    expect(make(native, { ...options, maxNewTokens: 6 })).toEqual(
      make(reference, { ...options, maxNewTokens: 6 }),
    )
})

describe('sampling', () => {
  test('a seed gives the same tokens again, another one others', () => {
    using model = open('llama')
    const hot = { temperature: 2 }
    expect(make(model, { ...hot, seed: 1 })).toEqual(make(model, { ...hot, seed: 1 }))
    expect(make(model, { ...hot, seed: 1 })).not.toEqual(make(model, { ...hot, seed: 2 }))
    expect(make(model, { ...hot, seed: 1 })).not.toEqual(make(model, { ...hot, seed: 1 + 2 ** 32 }))
  })

  test('top-k 1, a tiny top-p and a tiny temperature are greedy', () => {
    using model = open('llama')
    const greedy = make(model, {})
    expect(make(model, { temperature: 3, topK: 1, seed: 9 })).toEqual(greedy)
    expect(make(model, { temperature: 1, topP: 1e-6, seed: 9 })).toEqual(greedy)
    expect(make(model, { temperature: 1e-3, seed: 9 })).toEqual(greedy)
  })

  test('top-k takes only the k most likely tokens, and all of them', () => {
    using model = open('llama')
    const best = ranked(nextLogits(model, PROMPT)).slice(0, 4)
    const seen = new Set(
      Array.from(
        { length: 80 },
        (_, seed) => make(model, { temperature: 5, topK: 4, seed, maxNewTokens: 1 })[0],
      ),
    )
    expect([...seen].toSorted((a, b) => a - b)).toEqual(best.toSorted((a, b) => a - b))
  })

  test('top-p takes only the smallest set with that probability', () => {
    using model = open('llama')
    const logits = nextLogits(model, PROMPT)
    const order = ranked(logits)
    const temperature = 4
    const weights = order.map((id) => Math.exp((logits[id] - logits[order[0]]) / temperature))
    const total = weights.reduce((a, b) => a + b)
    let [mass, size] = [0, 0]
    while (mass < 0.5 * total) mass += weights[size++]
    const allowed = new Set(order.slice(0, size))
    const seen = new Set(
      Array.from(
        { length: 150 },
        (_, seed) => make(model, { temperature, topP: 0.5, seed, maxNewTokens: 1 })[0],
      ),
    )
    expect([...seen].filter((id) => !allowed.has(id))).toEqual([])
    expect(seen.size).toBeGreaterThan(size / 2)
  })

  test('tokens come as often as their probability says', () => {
    using model = open('llama')
    const logits = nextLogits(model, PROMPT)
    const order = ranked(logits)
    const temperature = 3
    const weights = order.map((id) => Math.exp((logits[id] - logits[order[0]]) / temperature))
    const total = weights.reduce((a, b) => a + b)
    const draws = 600
    const counts = new Map<number, number>()
    for (let seed = 0; seed < draws; seed++) {
      const [id] = make(model, { temperature, seed, maxNewTokens: 1 })
      counts.set(id, (counts.get(id) ?? 0) + 1)
    }
    for (const [i, id] of order.slice(0, 5).entries()) {
      const p = weights[i] / total
      const deviation = Math.sqrt(draws * p * (1 - p))
      expect(Math.abs((counts.get(id) ?? 0) - draws * p), `token ${id}`).toBeLessThan(4 * deviation)
    }
  })
})

test('the repetition penalty divides positive and multiplies negative logits of tokens that occurred', () => {
  using model = open('llama')
  const penalty = 1.7
  const made = make(model, { repetitionPenalty: penalty, maxNewTokens: 10 })
  for (const [i, id] of made.entries()) {
    const before = [...PROMPT, ...made.slice(0, i)]
    const logits = nextLogits(model, before)
    for (const token of new Set(before)) logits[token] *= logits[token] > 0 ? 1 / penalty : penalty
    expect(id).toBe(ranked(logits)[0])
  }
  expect(made).not.toEqual(make(model, { maxNewTokens: 10 }))
})

describe('ends', () => {
  test('a stop id ends the generation and is not given', () => {
    using model = open('llama')
    const greedy = make(model, {})
    const stop = greedy[5]
    expect(make(model, { stopIds: [stop] })).toEqual(greedy.slice(0, greedy.indexOf(stop)))
    expect(make(model, { stopIds: [greedy[0]] })).toEqual([])
  })

  test('maxNewTokens and the context of the model are limits', () => {
    using model = open('gpt2')
    expect(make(model, { maxNewTokens: 3 })).toHaveLength(3)
    expect(make(model, { maxNewTokens: 0 })).toEqual([])
    const all = make(model, { maxNewTokens: 1000 })
    expect(PROMPT.length + all.length).toBe(model.info.contextLength + 1) // the last one needs no place
  })

  test.each<[string, number[], string]>([
    ['an empty prompt', [], 'the prompt is empty'],
    ['a prompt as long as the context', Array.from({ length: 48 }, () => 3), 'the prompt has 48 tokens'],
  ])('%s is refused', (_, prompt, said) => {
    using model = open('gpt2')
    const run = (): unknown => [...generate(model, prompt)]
    expect(run).toThrow(TrituneError)
    expect(run).toThrow(said)
  })

  test.each<GenerateOptions>([
    { temperature: -1 },
    { temperature: Number.NaN },
    { topK: 1.5 },
    { topP: 0 },
    { topP: 1.1 },
    { repetitionPenalty: 0 },
    { maxNewTokens: -1 },
    { seed: 0.5 },
  ])('%p is refused by its name', (options) => {
    using model = open('gpt2')
    const [name] = Object.keys(options)
    expect(() => make(model, options)).toThrow(`${name}: expected`)
  })

  test('breaking out of the loop frees the cache', () => {
    using model = open('llama')
    make(model, {}) // makes the rope tables
    const before = countLiveTensors()
    for (const id of generate(model, PROMPT, { maxNewTokens: 50 })) {
      expect(countLiveTensors()).toBeGreaterThan(before)
      if (id >= 0) break
    }
    expect(countLiveTensors()).toBe(before)
  })
})
