/**
 * Texts in batches: the tokens are those of one text at a time, whatever else is in the batch, and nothing is left behind.
 */
import { describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { countLiveTensors, type Model, TrituneError } from '../../../core/mod.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import {
  generate,
  generateBatch,
  type GenerateOptions,
  openBatchEngine,
} from '../../../plugins/generate/mod.ts'
import { loadModel } from '../../../plugins/models/mod.ts'
import { attachAdapter, prefix } from '../../../plugins/peft/mod.ts'
import { promptTokens } from '../../../docs/examples/prompt-tokens.ts'
import { GOLDEN } from '../../_golden.ts'
import { openModel, openSeveral } from '../peft/_several.ts'

const cpu = openCpu()
const PROMPTS = [[5, 17, 42, 9], [3], [5, 17, 42, 9], [8, 8, 1, 30, 2, 7, 11], [4, 5], [5, 17, 42, 9]]

function open(name = 'llama', dtype: 'f32' | 'bf16' = 'f32'): Model {
  return loadModel(join(GOLDEN, 'models', name), { device: cpu, dtype })
}

function batch(model: Model, options: Parameters<typeof generateBatch>[2]): number[][] {
  const made: number[][] = PROMPTS.map(() => [])
  for (const { row, id } of generateBatch(model, PROMPTS, { maxNewTokens: 12, ...options }))
    made[row].push(id)
  return made
}

function oneByOne(model: Model, options: GenerateOptions, seeds?: readonly number[]): number[][] {
  return PROMPTS.map((prompt, i) => [
    ...generate(model, prompt, { maxNewTokens: 12, ...options, ...(seeds && { seed: seeds[i] }) }),
  ])
}

const SEEDS = [1, 2, 3, 4, 5, 6]

// mistral and qwen2-sliding have windows shorter than the texts.
describe.each(['llama', 'mistral', 'qwen2-sliding', 'qwen3', 'gpt2', 'bitnet', 'tritter'])(
  'texts of %s',
  (name) => {
    test('greedy and sampled are those of one at a time, whatever the number of rows', () => {
      using model = open(name)
      const greedy = oneByOne(model, {})
      const hot = { temperature: 2, topK: 40 }
      const sampled = oneByOne(model, hot, SEEDS)
      expect(new Set(sampled.map(String)).size).toBe(PROMPTS.length)
      for (const rowsAtOnce of [1, 2, 4, 32]) {
        expect(batch(model, { rowsAtOnce })).toEqual(greedy)
        expect(batch(model, { ...hot, seeds: SEEDS, rowsAtOnce })).toEqual(sampled)
      }
    })
  },
)

test('bf16, penalties, top-p and min-p choose alike', () => {
  using model = open('llama', 'bf16')
  for (const options of [
    { temperature: 1.5, topP: 0.8, repetitionPenalty: 1.4 },
    { temperature: 1.5, minP: 0.2 },
    { repetitionPenalty: 2 },
  ])
    expect(batch(model, { ...options, seeds: SEEDS })).toEqual(oneByOne(model, options, SEEDS))
})

test('a text ends for itself: by a stop token, its length, or the context of the model', () => {
  using model = open()
  const free = oneByOne(model, { temperature: 3 }, SEEDS)
  const stopIds = [free[0][3], free[3][5]]
  const made = batch(model, { temperature: 3, seeds: SEEDS, stopIds })
  expect(made).toEqual(oneByOne(model, { temperature: 3, stopIds }, SEEDS))
  expect(made[0].length).toBeLessThan(4)
  expect(new Set(made.map(({ length }) => length)).size).toBeGreaterThan(1)
  expect(batch(model, { maxNewTokens: 0 })).toEqual(PROMPTS.map(() => []))
  const { contextLength } = model.info
  const long = Array.from({ length: contextLength - 3 }, (_, i) => 1 + (i % 30))
  const ends = [...generateBatch(model, [long, [1, 2]], { maxNewTokens: 9 })]
  expect(ends.filter(({ row }) => row === 0).map(({ id }) => id)).toEqual([
    ...generate(model, long, { maxNewTokens: 9 }),
  ])
  expect(ends.filter(({ row }) => row === 1)).toHaveLength(9)
})

test('what stands before the text is in every row; texts with and without it are apart', () => {
  using model = open()
  using prompt = attachAdapter(model, promptTokens, { tokens: 3 }, { name: 'prompt' })
  expect(batch(model, {})).toEqual(oneByOne(model, {}))
  using _prefix = attachAdapter(model, prefix, prefix.options.validate({ num_virtual_tokens: 2 }), {
    name: 'prefix',
  })
  const names = PROMPTS.map((_, i) => (i % 2 === 0 ? prompt.name : i === 3 ? 'prefix' : '__base__'))
  const alone = PROMPTS.map((text, i) => [
    ...generate(model, text, { maxNewTokens: 12, adapters: names[i] === '__base__' ? [] : [names[i]] }),
  ])
  expect(batch(model, { adapters: names })).toEqual(alone)
})

describe('the engine', () => {
  test('takes texts at any time, gives each the tokens that it has alone, and frees rows', () => {
    using model = open()
    oneByOne(model, {}) // makes the rope tables
    const [tensors, live] = [countLiveTensors(), cpu.memory().live]
    {
      using engine = openBatchEngine(model, { rows: 3, tokens: 24 })
      const made = new Map<number, number[]>()
      const waiting = PROMPTS.map((prompt, i) => ({
        prompt,
        seed: i,
        maxNewTokens: 4 + 2 * i,
        temperature: 2,
      }))
      const added = [...waiting]
      for (let round = 0; added.length > 0 || engine.open > 0; round++) {
        // One a round: texts of different age are together.
        const [next] = engine.free > 0 ? added.splice(0, 1) : []
        if (next) made.set(engine.add(next), [])
        for (const { text, id } of engine.step()) if (id !== null) made.get(text)?.push(id)
      }
      expect([...made.values()]).toEqual(
        waiting.map(({ prompt, ...options }) => [...generate(model, prompt, options)]),
      )
      expect(engine.free).toBe(3)
    }
    expect(countLiveTensors()).toBe(tensors)
    expect(cpu.memory().live).toBe(live)
  })

  test('refuses what has no room, and a text that is cancelled leaves its row', () => {
    using model = open()
    using engine = openBatchEngine(model, { rows: 1, tokens: 8 })
    const codeOf = (fn: () => unknown): string => {
      try {
        fn()
      } catch (error) {
        if (error instanceof TrituneError) return error.code
      }
      return 'none'
    }
    expect(codeOf(() => engine.add({ prompt: [] }))).toBe('E_DATA')
    expect(codeOf(() => engine.add({ prompt: Array.from({ length: 9 }, () => 1) }))).toBe('E_SHAPE')
    expect(codeOf(() => engine.add({ prompt: [1], minP: 0.1, topP: 0.5 }))).toBe('E_CONFIG')
    expect(codeOf(() => engine.add({ prompt: [1], adapters: 'none' }))).toBe('E_NAME')
    const first = engine.add({ prompt: [1, 2] })
    expect(codeOf(() => engine.add({ prompt: [1] }))).toBe('E_SHAPE')
    engine.step()
    engine.cancel(first)
    expect([engine.free, engine.open]).toEqual([1, 0])
    engine.add({ prompt: [4, 5], maxNewTokens: 3 })
    const made: (number | null)[] = []
    while (engine.open > 0) made.push(...engine.step().map(({ id }) => id))
    expect(made).toEqual([...generate(model, [4, 5], { maxNewTokens: 3 })])
    for (const wrong of [
      { rows: 0, tokens: 1 },
      { rows: 1, tokens: 1.5 },
    ])
      expect(codeOf(() => openBatchEngine(model, wrong))).toBe('E_CONFIG')
  })

  test('a LoRA per text: one pass for all of them', () => {
    using all = openModel(openSeveral(), cpu)
    const { model } = all
    const names = PROMPTS.map((_, i) => ['a', 'b', '__base__'][i % 3])
    let passes = 0
    const { hidden } = model
    model.hidden = (...args) => {
      passes++
      return hidden.call(model, ...args)
    }
    const made = batch(model, { adapters: names, maxNewTokens: 5 })
    model.hidden = hidden
    // A prompt and an adapter occur twice.
    expect(new Set(PROMPTS.map((prompt, i) => `${prompt} ${names[i]}`)).size).toBe(PROMPTS.length - 1)
    expect(passes).toBe(PROMPTS.length - 1 + 4)
    expect(made).toEqual(
      PROMPTS.map((text, i) => [
        ...generate(model, text, { maxNewTokens: 5, adapters: names[i] === '__base__' ? [] : [names[i]] }),
      ]),
    )
  })
})
