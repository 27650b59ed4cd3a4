/**
 * How likely tokens were, and texts that may not say everything.
 */
import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { headLogits, type Model, noGrad, tensorScope } from '../../../core/mod.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import {
  openBatchEngine,
  type TextRequest,
  type TextStep,
  type TokenConstraint,
} from '../../../plugins/generate/mod.ts'
import { createBatch, loadModel } from '../../../plugins/models/mod.ts'
import { GOLDEN } from '../../_golden.ts'

const cpu = openCpu()

function open(): Model {
  return loadModel(join(GOLDEN, 'models/llama'), { device: cpu, dtype: 'f32' })
}

function stepsOf(on: Model, request: TextRequest): TextStep[] {
  using engine = openBatchEngine(on, { rows: 1, tokens: 40 })
  engine.add(request)
  const steps: TextStep[] = []
  while (engine.open > 0) steps.push(...engine.step())
  return steps
}

test('log probabilities are those of the logits as they are, whatever the temperature', () => {
  using model = open()
  const prompt = [5, 17, 42, 9]
  const steps = stepsOf(model, { prompt, maxNewTokens: 5, temperature: 3, topK: 7, seed: 2, logprobs: 4 })
  const made = steps.flatMap(({ id }) => (id === null ? [] : [id]))
  using _scope = tensorScope()
  const ids = [...prompt, ...made]
  const { vocabSize } = model.info
  const logits = noGrad(() => headLogits(model.head, model.hidden(createBatch({ ids }, cpu)))).toArray()
  for (const [i, { logprobs, id }] of steps.entries()) {
    const row = Array.from(logits.slice((prompt.length - 1 + i) * vocabSize, (prompt.length + i) * vocabSize))
    const norm = Math.log(row.reduce((sum, value) => sum + Math.exp(value), 0))
    expect(logprobs?.logprob).toBeCloseTo(row[id ?? 0] - norm, 4)
    const sorted = row.map((_, token) => token).toSorted((a, b) => row[b] - row[a] || a - b)
    expect(logprobs?.top.map((one) => one.id)).toEqual(sorted.slice(0, 4))
    for (const one of logprobs?.top ?? []) expect(one.logprob).toBeCloseTo(row[one.id] - norm, 4)
  }
})

test('they are told where they are asked for', () => {
  using model = open()
  const prompt = [5, 17]
  expect(stepsOf(model, { prompt, maxNewTokens: 1 })[0].logprobs).toBeNull()
  expect(stepsOf(model, { prompt, maxNewTokens: 1, logprobs: 0 })[0].logprobs?.top).toEqual([])
  expect(() => stepsOf(model, { prompt, logprobs: -1 })).toThrow(
    'logprobs: expected an integer from 0, got -1',
  )
})

/** Tokens 3, 7, 3, 7, … `turns` times; then it is over, or may end. */
function alternating(turns: number, isOver: boolean): TokenConstraint {
  let said = 0
  const next = (): number => [3, 7][said % 2]
  return {
    get canEnd() {
      return said >= turns
    },
    get isOver() {
      return isOver && said >= turns
    },
    allowed() {
      const words = new Uint32Array(1)
      if (said < turns) words[0] = 1 << next()
      return words
    },
    accept(id) {
      if (id !== next()) throw new Error(`not ${id}`)
      said++
    },
  }
}

test('a constraint decides what may come, sampled or greedy, and ends the text when nothing can', () => {
  using model = open()
  for (const temperature of [0, 5]) {
    const steps = stepsOf(model, {
      prompt: [5, 17],
      maxNewTokens: 9,
      temperature,
      constraint: alternating(5, true),
      logprobs: 0,
    })
    expect(steps.map(({ id }) => id)).toEqual([3, 7, 3, 7, 3])
    expect(steps.map(({ end }) => end)).toEqual([null, null, null, null, 'stop'])
    // Not of what was left of them.
    expect(steps.every(({ logprobs }) => (logprobs?.logprob ?? 0) < -0.1)).toBe(true)
  }
})

test('a stop token comes where the text may end, and nowhere else', () => {
  using model = open()
  const stopIds = Array.from({ length: 30 }, (_, i) => i + 10)
  const steps = stepsOf(model, {
    prompt: [5, 17],
    maxNewTokens: 9,
    temperature: 5,
    stopIds,
    constraint: alternating(3, false),
  })
  expect(steps.map(({ id }) => id)).toEqual([3, 7, 3, null])
  expect(stopIds).toContain(steps[3].stopId ?? -1)
})

test('the rules of one text are not those of the texts beside it', () => {
  using model = open()
  using engine = openBatchEngine(model, { rows: 2, tokens: 40 })
  const free = engine.add({ prompt: [5, 17], maxNewTokens: 4 })
  const ruled = engine.add({ prompt: [5, 17], maxNewTokens: 4, constraint: alternating(4, true) })
  const made = new Map<number, (number | null)[]>([
    [free, []],
    [ruled, []],
  ])
  while (engine.open > 0) for (const { text, id } of engine.step()) made.get(text)?.push(id)
  expect(made.get(ruled)).toEqual([3, 7, 3, 7])
  expect(made.get(free)).toEqual(stepsOf(model, { prompt: [5, 17], maxNewTokens: 4 }).map(({ id }) => id))
})
