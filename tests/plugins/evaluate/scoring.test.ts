/** Log-likelihoods in batches, windows of long texts, texts until one comes. */
import { expect, test } from 'bun:test'
import { headLogits, noGrad, tensorScope } from '../../../core/mod.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { evaluateTask, logLikelihoods, type Task } from '../../../plugins/evaluate/mod.ts'
import { encodePair } from '../../../plugins/evaluate/scoring/encode-pair.ts'
import { rollingWindows } from '../../../plugins/evaluate/scoring/rolling-windows.ts'
import { writeUntil } from '../../../plugins/evaluate/scoring/write-until.ts'
import { generate } from '../../../plugins/generate/mod.ts'
import { createBatch, loadModel } from '../../../plugins/models/mod.ts'
import { loadTokenizer } from '../../../plugins/tokenizer/mod.ts'
import { temporaryFolder } from '../../_golden.ts'
import { writeTinyModel } from '../../_tiny.ts'

const device = openCpu()

test('pairs together give what each gives alone, equal inputs once, and the likeliest is told', () => {
  using folder = temporaryFolder()
  writeTinyModel(folder.path)
  using model = loadModel(folder.path, { device })
  const best = noGrad(() => {
    using _scope = tensorScope()
    const logits = headLogits(model.head, model.hidden(createBatch({ ids: [1, 5, 9] }, device))).toArray()
    const last = [...logits.subarray(2 * model.info.vocabSize)]
    return last.indexOf(Math.max(...last))
  })
  const pairs = [
    { context: [1, 5, 9], continuation: [best] },
    { context: [1, 5, 9], continuation: [best === 7 ? 8 : 7] },
    { context: [4], continuation: [3, 2, 1, 0] },
    { context: [1, 5], continuation: [9, 7] },
  ]
  const together = logLikelihoods(model, pairs, { greedy: true })
  expect(together.map(({ isGreedy }) => isGreedy).slice(0, 2)).toEqual([true, false])
  for (const [i, pair] of pairs.entries()) {
    const [alone] = logLikelihoods(model, [pair], { tokensAtOnce: 1 })
    expect(together[i].sum).toBeCloseTo(alone.sum, 5)
    expect(together[i].tokens).toBe(pair.continuation.length)
  }
  const all = Array.from({ length: model.info.vocabSize }, (_, id) => ({
    context: [1, 5],
    continuation: [id],
  }))
  const mass = logLikelihoods(model, all).reduce((sum, { sum: logP }) => sum + Math.exp(logP), 0)
  expect(mass).toBeCloseTo(1, 4)
})

test('a context that is too long loses its beginning, and an answer that is too long is an error', () => {
  using folder = temporaryFolder()
  writeTinyModel(folder.path, { max_position_embeddings: 8 })
  using model = loadModel(folder.path, { device })
  const long = Array.from({ length: 20 }, (_, i) => i)
  const [cut] = logLikelihoods(model, [{ context: long, continuation: [3, 4] }])
  const [kept] = logLikelihoods(model, [{ context: long.slice(-7), continuation: [3, 4] }])
  expect(cut).toEqual({ ...kept, cut: 13 })
  expect(() => logLikelihoods(model, [{ context: [1], continuation: long }])).toThrow(
    /20 tokens, the model knows 8/,
  )
})

test('windows predict each token once, with all that there is room for before it', () => {
  const ids = Array.from({ length: 23 }, (_, i) => 100 + i)
  const windows = rollingWindows(ids, 7, 10)
  expect(windows.flatMap(({ continuation }) => continuation)).toEqual(ids)
  expect(windows[0].context).toEqual([7])
  expect(windows.map(({ context, continuation }) => context.length + continuation.length)).toEqual([
    11, 11, 11,
  ])
  expect(rollingWindows([], 7, 10)).toEqual([])
})

test('white space at the end of a context belongs to what follows', () => {
  const tokenizer = loadTokenizer('quickstart/model')
  const { context, continuation } = encodePair(tokenizer, 'The whale ', 'swims', 'x:1')
  expect(tokenizer.decode(context)).toBe('The whale')
  expect(tokenizer.decode(continuation)).toBe(' swims')
  expect(encodePair(tokenizer, '  ', 'swims', 'x:1').context).toEqual([tokenizer.bosId ?? -1])
  expect(() => encodePair(tokenizer, 'The whale', '', 'x:1')).toThrow(/x:1/)
})

test('texts end at the first stop text, and are those of greedy generation', () => {
  const model = loadModel('quickstart/model', { device })
  using _model = model
  const tokenizer = loadTokenizer('quickstart/model')
  const prompts = ['The state of the', 'Fellow citizens of the']
  const whole = prompts.map((prompt) =>
    tokenizer.decode([...generate(model, tokenizer.encode(prompt), { maxNewTokens: 12 })]),
  )
  const writing = { until: [], maxNewTokens: 12, rowsAtOnce: 1 }
  expect(writeUntil(model, tokenizer, prompts, writing)).toEqual(whole)
  const stop = whole[0].slice(3, 6)
  const [stopped] = writeUntil(model, tokenizer, prompts, { ...writing, until: ['never', stop] })
  expect(stopped).toBe(whole[0].split(stop)[0])
  expect(() => writeUntil(model, tokenizer, prompts, { ...writing, maxNewTokens: 512 })).toThrow(
    /leave no room/,
  )
})

test('a chat template that is not there is an error', () => {
  using model = loadModel('quickstart/model', { device })
  const task: Task = {
    name: 't',
    kind: 'multiple_choice',
    measures: ['acc'],
    items: [{ place: 'x:1', context: 'a', delimiter: ' ', choices: ['b', 'c'], gold: [0] }],
  }
  expect(() => evaluateTask(model, loadTokenizer('quickstart/model'), task, { chat: true })).toThrow(
    /template/,
  )
})
