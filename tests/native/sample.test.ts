/** tt_sample against a direct computation: greedy, penalties, filters, and the frequencies of many draws. */
import { describe, expect, test } from 'bun:test'
import { call, run } from './_header.ts'
import { BAD_ARGUMENT, BF16, F32, lastError } from './_library.ts'
import { normal, onEveryMachine, pack, unpack } from './_numbers.ts'

interface Options {
  readonly history?: Int32Array
  readonly temperature?: number
  readonly topK?: number
  readonly topP?: number
  readonly penalty?: number
  readonly seed?: number
}

function sample(logits: Float32Array | Uint16Array, rows: number, options: Options = {}): Int32Array {
  const { history = null, temperature = 1, topK = 0, topP = 1, penalty = 1, seed = 1 } = options
  const out = new Int32Array(rows).fill(-7)
  const rng = Uint32Array.of(seed, 2, 3, 4, 0, 0)
  const dtype = logits instanceof Float32Array ? F32 : BF16
  const shape = [rows, logits.length / rows, history?.length ?? 0]
  run('tt_sample', out, logits, history, rng, ...shape, temperature, topK, topP, penalty, dtype)
  return out
}

/** The same row many times, so that one call draws many tokens. */
function repeated(row: Float32Array, times: number): Float32Array {
  const out = new Float32Array(row.length * times)
  for (let i = 0; i < times; i++) out.set(row, i * row.length)
  return out
}

function shares(drawn: Int32Array, vocab: number): number[] {
  const counts = Array.from({ length: vocab }, () => 0)
  for (const token of drawn) counts[token] = (counts[token] ?? 0) + 1 / drawn.length
  return counts
}

describe('tt_sample', () => {
  test('temperature 0 takes the largest logit, the lowest index among equals', () => {
    onEveryMachine(() => {
      for (const dtype of [F32, BF16] as const) {
        const logits = pack(normal(5 * 1001, 3, dtype), dtype)
        const values = unpack(logits)
        const expected = [0, 1, 2, 3, 4].map((r) => {
          const row = values.subarray(r * 1001, (r + 1) * 1001)
          return row.indexOf(Math.max(...row))
        })
        expect([...sample(logits, 5, { temperature: 0 })]).toEqual(expected)
      }
      expect([...sample(Float32Array.of(1, 2, 2, Number.NaN), 1, { temperature: 0 })]).toEqual([1])
    })
  })

  test('the repetition penalty divides positive and multiplies negative logits, once a token', () => {
    const logits = Float32Array.of(4, 3, -1, -1.5)
    const greedy = (history: Int32Array, penalty: number): number =>
      sample(logits, 1, { temperature: 0, history, penalty })[0] ?? -1
    expect(greedy(Int32Array.of(0, 0, 0), 1.3)).toBe(0)
    expect(greedy(Int32Array.of(0), 1.4)).toBe(1)
    expect(
      sample(Float32Array.of(-1, -1.5), 1, { temperature: 0, history: Int32Array.of(0), penalty: 2 })[0],
    ).toBe(1)
  })

  test('draws follow the softmax at the temperature', () => {
    const row = Float32Array.of(1, 0, -1, 2, 0.5)
    const times = 40_000
    for (const temperature of [0.7, 1.6]) {
      const drawn = shares(sample(repeated(row, times), times, { temperature }), row.length)
      const weights = [...row].map((x) => Math.exp(x / temperature))
      const total = weights.reduce((a, b) => a + b)
      for (const [i, w] of weights.entries())
        expect(Math.abs((drawn[i] ?? 0) - w / total)).toBeLessThan(0.012)
    }
  })

  test('top-k keeps the k largest, top-p the token that crosses p', () => {
    const row = Float32Array.from([0.4, 0.3, 0.2, 0.1], Math.log)
    const times = 20_000
    const kept = (options: Options): number[] =>
      shares(sample(repeated(row, times), times, options), 4).map((x) => Math.round(x * 20) / 20)
    expect(kept({ topK: 2 })).toEqual([0.55, 0.45, 0, 0])
    expect(kept({ topK: 1 })).toEqual([1, 0, 0, 0])
    expect(kept({ topP: 0.35 })).toEqual([1, 0, 0, 0])
    expect(kept({ topP: 0.6 })).toEqual([0.55, 0.45, 0, 0])
    expect(kept({ topP: 0.75 })).toEqual([0.45, 0.35, 0.2, 0])
    // top-p acts on what top-k left, renormalised: 0.57 ≥ 0.5 alone.
    expect(kept({ topK: 2, topP: 0.5 })).toEqual([1, 0, 0, 0])
  })

  test('top-k and top-p on a large vocabulary never draw a token outside of the kept set', () => {
    const logits = Float32Array.from(normal(49_152, 6, F32, 3))
    const order = [...logits.keys()].toSorted((a, b) => (logits[b] ?? 0) - (logits[a] ?? 0))
    const drawn = sample(repeated(logits, 50), 50, { topK: 40 })
    for (const token of drawn) expect(order.indexOf(token)).toBeLessThan(40)
    const total = logits.reduce((sum, x) => sum + Math.exp(x), 0)
    let sum = 0
    const kept = order.findIndex((token) => (sum += Math.exp(logits[token] ?? 0) / total) >= 0.5) + 1
    for (const token of sample(repeated(logits, 50), 50, { topP: 0.5 })) {
      expect(order.indexOf(token)).toBeLessThan(kept)
    }
  })

  test('the same seed draws the same tokens on every machine, another seed others', () => {
    const logits = Float32Array.from(normal(64 * 100, 6, F32))
    const first = sample(logits, 64).join()
    onEveryMachine(() => expect(sample(logits, 64).join()).toBe(first))
    expect(sample(logits, 64, { seed: 9 }).join()).not.toBe(first)
  })

  test('bad arguments and rows without any number are errors', () => {
    const logits = new Float32Array(4)
    const out = new Int32Array(1)
    const rng = new Uint32Array(6)
    const attempt = (history: Int32Array | null, temperature: number, topP: number, from = logits): number =>
      call('tt_sample', out, from, history, rng, 1, 4, history?.length ?? 0, temperature, 0, topP, 1, F32)
    expect(attempt(null, -1, 1)).toBe(BAD_ARGUMENT)
    expect(attempt(null, 1, 0)).toBe(BAD_ARGUMENT)
    expect(attempt(Int32Array.of(4), 1, 1)).toBe(BAD_ARGUMENT)
    expect(lastError()).toBe('tt_sample: history[0] is 4, the vocabulary has 4')
    expect(attempt(null, 1, 1, new Float32Array(4).fill(Number.NaN))).toBe(-1)
    expect(lastError()).toContain('row 0')
  })
})
