/**
 * Examples of several documents: joined and taken apart, counted, cut, in batches and in packed rows.
 */
import { describe, expect, test } from 'bun:test'
import {
  concatenate,
  createBatches,
  documentsOf,
  joinDocuments,
  type TokenizedExample,
  trainedTokens,
} from '../../../plugins/data/mod.ts'
import { applyLengthPolicy } from '../../../plugins/data/loading/length-policy.ts'

/** Documents of these lengths, of which all but the first two tokens are trained. */
function pair(
  line: number,
  lengths: readonly number[],
  more: Partial<TokenizedExample> = {},
): TokenizedExample {
  const parts = lengths.map((length, document) => {
    const ids = Int32Array.from({ length }, (_, i) => 100 * line + 10 * document + i)
    return { ids, labels: ids.map((id, i) => (i < 2 ? -100 : id)) }
  })
  return joinDocuments(parts, { file: 'pairs', line }, more)
}

describe('joinDocuments()', () => {
  test('gives back what it was given', () => {
    const example = pair(1, [3, 5], { values: { margin: 2 } })
    expect(documentsOf(example).map(({ ids }) => [...ids])).toEqual([
      [100, 101, 102],
      [110, 111, 112, 113, 114],
    ])
    expect(example.values).toEqual({ margin: 2 })
    expect(trainedTokens(example)).toBe(4)
  })

  test('the first token of every document has nothing before it', () => {
    const ids = Int32Array.of(1, 2, 3)
    const example = joinDocuments(
      [
        { ids, labels: ids },
        { ids, labels: ids },
      ],
      { file: 'x', line: 1 },
    )
    expect(trainedTokens(example)).toBe(4)
    const { targets, positions, offsets, examples, trainedTokens: trained } = concatenate([example])
    expect([[...targets], [...positions], [...offsets], trained]).toEqual([
      [2, 3, -100, 2, 3, -100],
      [0, 1, 2, 0, 1, 2],
      [0, 3, 6],
      4,
    ])
    expect(examples).toEqual([example])
  })
})

describe('batches of pairs', () => {
  const examples = Array.from({ length: 9 }, (_, i) => pair(i, [3 + (i % 4), 4 + (i % 3)]))

  test('count pairs', () => {
    const batches = createBatches({ examples, microBatchSize: 2, sequenceLength: 8, packing: false, seed: 1 })
    expect(batches.length).toBe(5)
    for (let i = 0; i < batches.length; i++) {
      const { offsets, examples: own } = batches.get(i)
      expect(offsets.length - 1).toBe(2 * own.length)
    }
  })

  test('keep them together in packed rows, of two documents of sequence_len', () => {
    const batches = createBatches({ examples, microBatchSize: 1, sequenceLength: 8, packing: true, seed: 1 })
    const seen: number[] = []
    for (let i = 0; i < batches.length; i++) {
      const batch = batches.get(i)
      expect(batch.ids.length).toBeLessThanOrEqual(16)
      expect([...batch.ids]).toEqual(batch.examples.flatMap(({ ids }) => [...ids]))
      seen.push(...batch.examples.map(({ source }) => source.line))
    }
    expect(seen.toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8])
  })
})

describe('the length of a pair is that of its longest document', () => {
  const policy = { sequenceLen: 5, minSampleLen: 2, splitsLongText: false, untrainedReason: 'nothing' }
  const two = [pair(1, [5, 5], { values: { margin: 1 } }), pair(2, [4, 7], { values: { margin: 2 } })]

  test('drop', () => {
    const { examples, tooLong } = applyLengthPolicy(two, { ...policy, strategy: 'drop' })
    expect([examples.map(({ source }) => source.line), tooLong]).toEqual([[1], 1])
  })

  test('truncate cuts documents and keeps numbers', () => {
    const { examples, truncated } = applyLengthPolicy(two, { ...policy, strategy: 'truncate' })
    expect(truncated).toBe(1)
    expect(documentsOf(examples[1]).map(({ ids }) => ids.length)).toEqual([4, 5])
    expect(examples[1].values).toEqual({ margin: 2 })
    const ids = Int32Array.from({ length: 9 }, (_, i) => i)
    const labelled = { ids, labels: ids, source: { file: 'x', line: 1 }, values: { label: 1 } }
    const [cut] = applyLengthPolicy([labelled], { ...policy, strategy: 'truncate' }).examples
    expect([cut.ids.length, cut.values]).toEqual([5, { label: 1 }])
  })

  test('raise', () => {
    expect(() => applyLengthPolicy(two, { ...policy, strategy: 'raise' })).toThrow('7 tokens')
  })

  test('a document with nothing to learn, or a reason, leaves the pair out', () => {
    const found = applyLengthPolicy([pair(1, [5, 2]), pair(2, [3, 3], { untrained: 'the same' })], {
      ...policy,
      strategy: 'drop',
    })
    expect(found.examples).toEqual([])
    expect(found.untrained.map(({ reason }) => reason)).toEqual(['nothing', 'the same'])
  })
})
