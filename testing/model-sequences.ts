/**
 * Models: the future does not matter, documents do not see each other, a cache gives what the full pass gives.
 */
import { headLogits, type Model, noGrad, tensorScope } from '../core/mod.ts'
import { createBatch } from '../plugins/models/mod.ts'
import { trainAllWeights } from '../plugins/peft/mod.ts'
import { lossAndGradients } from './adapter-rig.ts'
import { check, type ContractCheck, expectKept } from './check.ts'
import { expectClose } from './compare.ts'
import type { ModelSettings } from './model-settings.ts'
import { batchOf, logitsOf } from './tiny-model.ts'

const LONG = [1, 5, 9, 2, 7, 7, 30, 12, 4, 4, 18, 25]
const SHORT = [3, 14, 15, 9, 26]
const TOLERANCE = 1e-4

export function sequenceChecks({ name, open }: ModelSettings): ContractCheck[] {
  const hidden = `hidden() of ${name}`
  return [
    check(`${name}: a token does not see those after it`, () => {
      using model = open()
      const whole = logitsOf(model, batchOf([LONG]))
      const { vocabSize } = model.info
      for (const changed of [1, 6, LONG.length - 1]) {
        const other = logitsOf(model, batchOf([LONG.with(changed, (LONG[changed] + 1) % 31)]))
        const before = changed * vocabSize
        expectClose(
          `the logits before token ${changed}, which was changed`,
          other.slice(0, before),
          whole.slice(0, before),
          {
            tolerance: TOLERANCE,
            lookAt: `${hidden}: attention with causal: true`,
          },
        )
        expectKept(
          other.slice(before).some((value, i) => value !== whole[before + i]),
          () => ({
            expected: `other logits from token ${changed} on`,
            got: 'the same',
            lookAt: `${hidden}: is the id of each token used?`,
          }),
        )
      }
    }),
    check(`${name}: the order of the tokens before matters`, () => {
      using model = open()
      const last = (ids: readonly number[]): Float32Array =>
        logitsOf(model, batchOf([ids])).slice(-model.info.vocabSize)
      const [one, other] = [last([8, 3, 21, 5]), last([3, 8, 21, 5])]
      expectKept(
        one.some((value, i) => Math.abs(value - other[i]) > 1e-6),
        () => ({
          expected: 'other logits when two earlier tokens change places',
          got: 'the same',
          lookAt: `${hidden}: positions (rope, or a table of them)`,
        }),
      )
    }),
    check(`${name}: packed documents do not see each other`, () => {
      using model = open()
      const alone = [LONG, SHORT].map((ids) => logitsOf(model, batchOf([ids])))
      const packed = logitsOf(model, batchOf([LONG, SHORT]))
      expectClose(
        'the logits of each document alone',
        packed,
        alone.flatMap((logits) => [...logits]),
        {
          tolerance: TOLERANCE,
          lookAt: `${hidden}: attention with offsetsQ and offsetsK, positions that start again in each document`,
        },
      )
    }),
    check(`${name}: a cache gives what the full pass gives`, () => {
      using model = open()
      const whole = logitsOf(model, batchOf([LONG]))
      for (const pieces of [[5, ...LONG.slice(5).map(() => 1)], [4, 3, 5], LONG.map(() => 1)])
        expectClose(
          `the logits without a cache, in pieces of ${pieces.join(', ')}`,
          cached(model, pieces, hidden),
          whole,
          {
            tolerance: TOLERANCE,
            lookAt: `${hidden} with a cache: positions go on, keys and values are appended once in each block, offsetsK counts those before`,
          },
        )
    }),
    check(`${name}: documents in the rows of one cache give the logits that they have alone`, () => {
      using model = open()
      expectClose('the logits of the last token of each document alone', inRows(model), alone(model), {
        tolerance: TOLERANCE,
        lookAt: `${hidden} with rows of a cache: documents of the batch without tokens stand for the room between rows; attention takes the offsets that extend() gives`,
      })
    }),
    check(`${name}: checkpointing gives the same loss and gradients`, () => {
      using model = open()
      const parameters = trainAllWeights(model)
      const run = (checkpointing: boolean): Map<string, Float32Array> =>
        lossAndGradients({ model, adapter: { parameters } }, { checkpointing })
      const expected = run(false)
      for (const [what, got] of run(true))
        expectClose(`${what} without checkpointing`, got, expected.get(what) ?? new Float32Array(), {
          tolerance: 1e-6,
          lookAt: `${hidden}: what a block uses must be its inputs, or a leaf`,
        })
    }),
  ]
}

/** Logits of all tokens, which go through the cache piece by piece. */
function cached(model: Model, pieces: readonly number[], lookAt: string): Float32Array {
  using cache = model.createCache(LONG.length)
  const { device } = model.head
  const logits: number[] = []
  let start = 0
  for (const count of pieces) {
    noGrad(() => {
      using _scope = tensorScope()
      expectKept(cache.length === start, () => ({
        expected: `a cache that holds ${start} positions`,
        got: String(cache.length),
        lookAt,
      }))
      const ids = LONG.slice(start, start + count)
      const positions = Int32Array.from(ids, (_, i) => start + i)
      const states = model.hidden(createBatch({ ids, positions }, device), { cache })
      logits.push(...headLogits(model.head, states).toArray())
    })
    start += count
  }
  return Float32Array.from(logits)
}

/** Logits of the last tokens of SHORT and LONG, each by itself. */
function alone(model: Model): Float32Array {
  const { vocabSize } = model.info
  return Float32Array.from(
    [SHORT, LONG].flatMap((ids) => Array.from(logitsOf(model, batchOf([ids])).slice(-vocabSize))),
  )
}

/** The same by one pass for both, which stand in the first and the last of three rows. */
function inRows(model: Model): Float32Array {
  const { device } = model.head
  return noGrad(() => {
    using _scope = tensorScope()
    const [short, long] = [SHORT, LONG].map((ids) => {
      const cache = model.createCache(ids.length)
      model.hidden(createBatch({ ids: ids.slice(0, -1) }, device), { cache })
      return cache
    })
    using _short = short
    using _long = long
    using rows = short.openRows(3, LONG.length)
    rows.begin([0], short)
    rows.begin([2], long)
    const ids = [SHORT[SHORT.length - 1], LONG[LONG.length - 1]]
    const { positions, offsets } = rows.next([
      { row: 0, tokens: 1 },
      { row: 2, tokens: 1 },
    ])
    const states = model.hidden(createBatch({ ids, positions, offsets }, device), { cache: rows })
    return headLogits(model.head, states).toArray()
  })
}
