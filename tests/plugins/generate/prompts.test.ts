/**
 * Prompts of an engine: long ones go through in pieces, what they have in common is computed once, memory follows what is held.
 */
import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { countLiveTensors, type Model } from '../../../core/mod.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import {
  type BatchEngineOptions,
  generate,
  openBatchEngine,
  type TextRequest,
  type TextStep,
} from '../../../plugins/generate/mod.ts'
import { loadModel } from '../../../plugins/models/mod.ts'
import { GOLDEN } from '../../_golden.ts'

const cpu = openCpu()

function open(name = 'llama'): Model {
  return loadModel(join(GOLDEN, 'models', name), { device: cpu, dtype: 'f32' })
}

/** `length` tokens that no other `seed` has. */
function promptOf(length: number, seed = 0): number[] {
  return Array.from({ length }, (_, i) => 1 + ((i * 7 + (i >> 2) * seed + seed) % 30))
}

/** Runs the texts one after the other, each to its end. */
function inTurn(
  model: Model,
  options: BatchEngineOptions,
  texts: readonly TextRequest[],
): {
  readonly made: number[][]
  readonly reused: number[]
  readonly rows: number[]
} {
  using engine = openBatchEngine(model, options)
  const made: number[][] = []
  const reused: number[] = []
  const rows: number[] = []
  const { hidden } = model
  try {
    for (const text of texts) {
      let count = 0
      model.hidden = (batch, ...rest) => {
        count += batch.ids.size
        return hidden.call(model, batch, ...rest)
      }
      engine.add(text)
      const steps: TextStep[] = []
      while (engine.open > 0) steps.push(...engine.step())
      made.push(steps.flatMap(({ id }) => (id === null ? [] : [id])))
      reused.push(steps[0].reused)
      rows.push(count)
    }
  } finally {
    model.hidden = hidden
  }
  return { made, reused, rows }
}

test.each(['llama', 'mistral', 'phi3-longrope', 'gpt2'])(
  '%s: pieces of a prompt give the tokens of the whole',
  (name) => {
    using model = open(name)
    const prompt = promptOf(40, 3)
    const whole = [...generate(model, prompt, { maxNewTokens: 6 })]
    for (const promptTokens of [1, 7, 19, 256])
      expect(
        inTurn(model, { rows: 2, tokens: 60, promptTokens }, [{ prompt, maxNewTokens: 6 }]).made,
      ).toEqual([whole])
  },
)

test('a long prompt does not stall texts that grow', () => {
  using model = open()
  using engine = openBatchEngine(model, { rows: 2, tokens: 64, promptTokens: 8 })
  const short = engine.add({ prompt: [3, 4], maxNewTokens: 20 })
  engine.step()
  const long = engine.add({ prompt: promptOf(40), maxNewTokens: 2 })
  const tellers: number[][] = []
  for (let i = 0; i < 5; i++) tellers.push(engine.step().map(({ text }) => text))
  // Five pieces: the short text makes a token beside each, the long one its first beside the last.
  expect(tellers).toEqual([[short], [short], [short], [short], [short, long]])
})

test('prompts that begin like others take their keys and values, as many as there is room for', () => {
  using model = open()
  const system = promptOf(24, 1)
  const [a, b] = [promptOf(6, 2), promptOf(6, 5)]
  const texts = [[...system, ...a], [...system, ...b], promptOf(20, 9), [...system, ...a, 4]].map(
    (prompt) => ({
      prompt,
      maxNewTokens: 4,
    }),
  )
  const alone = texts.map(({ prompt, ...options }) => [...generate(model, prompt, options)])
  const kept = inTurn(model, { rows: 1, tokens: 64, promptCache: 1 << 20 }, texts)
  expect(kept.made).toEqual(alone)
  expect(kept.reused).toEqual([0, 24, 0, 30])
  // Those of the prompt that are new, and one for each token but the last.
  expect(kept.rows).toEqual([30 + 3, 6 + 3, 20 + 3, 1 + 3])
  const onlyLast = inTurn(model, { rows: 1, tokens: 64 }, texts)
  expect(onlyLast.made).toEqual(alone)
  expect(onlyLast.reused).toEqual([0, 24, 0, 0])
})

test('a chat that goes on takes the answer from the cache too, and takes one place there', () => {
  using model = open()
  const [first] = inTurn(model, { rows: 1, tokens: 64 }, [{ prompt: promptOf(12, 4), maxNewTokens: 8 }]).made
  const chat = [promptOf(12, 4), [...promptOf(12, 4), ...first, 5, 6]]
  const { reused } = inTurn(
    model,
    { rows: 1, tokens: 64 },
    chat.map((prompt) => ({ prompt, maxNewTokens: 8 })),
  )
  // The last token of the answer has not been through the model.
  expect(reused).toEqual([0, 12 + 8 - 1])
})

test('forget() leaves nothing to take from', () => {
  using model = open()
  using engine = openBatchEngine(model, { rows: 1, tokens: 32, promptCache: 1 << 20 })
  const prompt = promptOf(16)
  const run = (): TextStep[] => {
    engine.add({ prompt, maxNewTokens: 1 })
    return engine.step()
  }
  expect(run()[0].reused).toBe(0)
  expect(run()[0].reused).toBe(16)
  engine.forget()
  expect(engine.bytes).toBe(0)
  expect(run()[0].reused).toBe(0)
})

test('memory follows the texts that are held, and all of it is given back', () => {
  using model = open()
  void [...generate(model, [1, 2], { maxNewTokens: 2 })]
  const [tensors, live] = [countLiveTensors(), cpu.memory().live]
  const { layerCount, kvHeads, headSize, contextLength } = model.info
  const tokenBytes = 2 * 4 * layerCount * kvHeads * headSize
  {
    using engine = openBatchEngine(model, { rows: 16, tokens: contextLength })
    expect(engine.bytes).toBe(0)
    const texts = Array.from({ length: 16 }, (_, seed) =>
      engine.add({ prompt: promptOf(3, seed), maxNewTokens: 4 }),
    )
    engine.step()
    const short = engine.bytes
    expect(short).toBeGreaterThan(0)
    // A page each, a quarter ahead; far from 16 whole contexts.
    expect(short).toBeLessThanOrEqual(16 * 32 * 1.3 * tokenBytes)
    for (const text of texts) engine.cancel(text)
    expect(engine.bytes).toBeLessThanOrEqual(4 * 32 * tokenBytes)
    engine.add({ prompt: promptOf(60), maxNewTokens: 4 })
    engine.step()
    expect(engine.bytes).toBeGreaterThanOrEqual(60 * tokenBytes)
    expect(engine.bytes).toBeLessThanOrEqual(short)
  }
  expect(countLiveTensors()).toBe(tensors)
  expect(cpu.memory().live).toBe(live)
})

test('texts of very different lengths that come and go have the tokens that they have alone', () => {
  using model = open()
  using engine = openBatchEngine(model, { rows: 5, tokens: 64, promptTokens: 16, promptCache: 1 << 18 })
  const texts = Array.from({ length: 24 }, (_, i) => ({
    prompt: promptOf(1 + ((i * 11) % 37), i % 5),
    maxNewTokens: 2 + ((i * 5) % 19),
    temperature: i % 2,
    seed: i,
  }))
  const made: number[][] = texts.map(() => [])
  for (let added = 0; added < texts.length || engine.open > 0;) {
    if (added < texts.length && engine.free > 0) engine.add(texts[added++])
    for (const { text, id } of engine.step()) if (id !== null) made[text].push(id)
  }
  expect(made).toEqual(texts.map(({ prompt, ...options }) => [...generate(model, prompt, options)]))
})
