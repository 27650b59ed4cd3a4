import { describe, expect, test } from 'bun:test'
import { createRandom } from '../../../core/tensor/random.ts'
import { createBatches, packDocuments, splitValidation } from '../../../plugins/data/mod.ts'
import type { Batch, Batches, TokenizedExample } from '../../../plugins/data/mod.ts'

/** Token j of example i is 1000·i + j; the first `masked` tokens are not trained. */
function example(i: number, length: number, masked = 1): TokenizedExample {
  const ids = Int32Array.from({ length }, (_, j) => 1000 * i + j)
  return { ids, labels: ids.map((id, j) => (j < masked ? -100 : id)), source: { file: 'a', line: i + 1 } }
}

const LENGTHS = [5, 3, 8, 2, 7, 4, 6, 3, 2, 8, 1]
const examples = LENGTHS.map((length, i) => example(i, length))
const COMMON = { examples, microBatchSize: 2, sequenceLength: 8, packing: false, seed: 1 }

function documents({ ids, offsets }: Batch): number[][] {
  return [...offsets.subarray(1)].map((end, i) => [...ids.subarray(offsets[i], end)])
}

function all(batches: Batches): Batch[] {
  return Array.from({ length: batches.length }, (_, i) => batches.get(i))
}

describe('packDocuments()', () => {
  test('never splits a document and never overfills a row', () => {
    const random = createRandom(8)
    for (let round = 0; round < 30; round++) {
      const lengths = Array.from({ length: 1 + random.int(200) }, () => 1 + random.int(64))
      const rows = packDocuments(lengths, 64)
      expect(rows.flat().toSorted((a, b) => a - b)).toEqual(lengths.map((_, i) => i))
      for (const row of rows) expect(row.reduce((sum, i) => sum + lengths[i], 0)).toBeLessThanOrEqual(64)
    }
  })

  test('is first-fit decreasing', () => {
    expect(packDocuments([4, 8, 1, 4, 2, 1], 10)).toEqual([
      [1, 4],
      [0, 3, 2, 5],
    ])
    expect(packDocuments([], 10)).toEqual([])
    expect(packDocuments([3], 10)).toEqual([[0]])
  })

  test('agrees with the plain quadratic algorithm', () => {
    const random = createRandom(9)
    const lengths = Array.from({ length: 300 }, () => 1 + random.int(100))
    const order = lengths.map((_, i) => i).toSorted((a, b) => lengths[b] - lengths[a])
    const rooms: number[] = []
    const expected: number[][] = []
    for (const i of order) {
      let row = rooms.findIndex((room) => room >= lengths[i])
      if (row < 0) {
        row = rooms.push(128) - 1
        expected.push([])
      }
      rooms[row] -= lengths[i]
      expected[row].push(i)
    }
    expect(packDocuments(lengths, 128)).toEqual(expected)
  })

  test('refuses a document longer than a row', () => {
    expect(() => packDocuments([3, 11], 10)).toThrow('document 1 has 11 tokens')
  })

  test('packs 100 000 documents quickly', () => {
    const random = createRandom(10)
    const lengths = Int32Array.from({ length: 100_000 }, () => 1 + random.int(2048))
    const start = performance.now()
    packDocuments(lengths, 2048)
    expect(performance.now() - start).toBeLessThan(2000)
  })
})

describe('createBatches()', () => {
  for (const packing of [false, true]) {
    const name = packing ? 'packed' : 'unpacked'

    test(`contains every example once (${name})`, () => {
      const batches = createBatches({ ...COMMON, packing })
      const seen = all(batches).flatMap(documents)
      expect(seen.toSorted((a, b) => a[0] - b[0])).toEqual(examples.map(({ ids }) => [...ids]))
    })

    test(`shifts targets inside documents only (${name})`, () => {
      for (const batch of all(createBatches({ ...COMMON, packing }))) {
        const { ids, targets, positions, offsets } = batch
        expect(offsets[0]).toBe(0)
        expect(offsets.at(-1)).toBe(ids.length)
        let trained = 0
        for (let d = 0; d + 1 < offsets.length; d++) {
          for (let i = offsets[d]; i < offsets[d + 1]; i++) {
            expect(positions[i]).toBe(i - offsets[d])
            expect(targets[i]).toBe(i + 1 < offsets[d + 1] ? ids[i + 1] : -100)
            if (targets[i] !== -100) trained++
          }
        }
        expect(batch.trainedTokens).toBe(trained)
      }
    })

    test(`is the same for the same seed and epoch, and another for another (${name})`, () => {
      const orderOf = (seed: number, epoch: number): string =>
        JSON.stringify(all(createBatches({ ...COMMON, packing, seed, epoch })).map(({ ids }) => [...ids]))
      expect(orderOf(1, 0)).toBe(orderOf(1, 0))
      expect(new Set([orderOf(1, 0), orderOf(1, 1), orderOf(2, 0)]).size).toBe(3)
    })
  }

  test('keeps masked tokens out of the targets', () => {
    const [batch] = all(createBatches({ ...COMMON, examples: [example(0, 5, 3)] }))
    expect([...batch.targets]).toEqual([-100, -100, 3, 4, -100])
    expect(batch.trainedTokens).toBe(2)
  })

  test('fills packed rows with whole documents up to the sequence length', () => {
    const batches = all(createBatches({ ...COMMON, packing: true }))
    for (const batch of batches) expect(batch.ids.length).toBeLessThanOrEqual(batch.rows * 8)
    expect(batches.reduce((sum, { rows }) => sum + rows, 0)).toBe(packDocuments(LENGTHS, 8).length)
  })

  test('mixes the packed rows, which come sorted by length', () => {
    const many = Array.from({ length: 60 }, (_, i) => example(i, 1 + (i % 8)))
    const batches = all(createBatches({ ...COMMON, examples: many, microBatchSize: 1, packing: true }))
    const first = batches.map(({ offsets }) => offsets[1])
    expect(first).not.toEqual(first.toSorted((a, b) => b - a))
  })

  const rowsOf = (batches: Batches): number[][] =>
    batches.windows.map(({ start, end }) =>
      all(batches)
        .slice(start, end)
        .map(({ rows }) => rows),
    )

  test('spreads the rows evenly over the windows when they do not fill them', () => {
    const uneven = createBatches({ ...COMMON, gradientAccumulationSteps: 4 })
    expect(rowsOf(uneven)).toEqual([
      [2, 2, 2],
      [2, 2, 1],
    ])
    expect(uneven.windows.map(({ rows }) => rows)).toEqual([6, 5])
    const nine = createBatches({ ...COMMON, examples: examples.slice(0, 9), microBatchSize: 4 })
    expect(rowsOf(nine)).toEqual([[3], [3], [3]])
    const full = createBatches({ ...COMMON, examples: examples.slice(0, 8), gradientAccumulationSteps: 2 })
    expect(rowsOf(full)).toEqual([
      [2, 2],
      [2, 2],
    ])
  })

  test('a window is the same however it is split into micro-batches', () => {
    const documentsOf = (microBatchSize: number, gradientAccumulationSteps: number): number[][] => {
      const batches = createBatches({ ...COMMON, microBatchSize, gradientAccumulationSteps })
      return batches.windows.map(({ start, end }) =>
        all(batches)
          .slice(start, end)
          .flatMap(({ ids }) => [...ids]),
      )
    }
    expect(documentsOf(1, 4)).toEqual(documentsOf(4, 1))
    expect(documentsOf(2, 2)).toEqual(documentsOf(4, 1))
  })

  test('counts the trained tokens of each window', () => {
    const batches = createBatches({ ...COMMON, gradientAccumulationSteps: 4 })
    for (const { start, end, trainedTokens } of batches.windows) {
      const counts = all(batches)
        .slice(start, end)
        .map((batch) => batch.trainedTokens)
      expect(trainedTokens).toBe(counts.reduce((a, b) => a + b))
    }
  })

  test('`dropLast` leaves out what does not fill a window, other examples in each epoch', () => {
    const left = (epoch: number): number[] => {
      const options = { ...COMMON, gradientAccumulationSteps: 2, dropLast: true, epoch }
      const batches = createBatches(options)
      expect(rowsOf(batches)).toEqual([
        [2, 2],
        [2, 2],
      ])
      const seen = new Set(
        all(batches).flatMap(({ ids, offsets }) => Array.from(offsets.slice(0, -1), (o) => ids[o])),
      )
      return examples.map(({ ids }) => ids[0]).filter((id) => !seen.has(id))
    }
    expect(left(0)).toHaveLength(3)
    expect(left(0)).toEqual(left(0))
    expect(left(0)).not.toEqual(left(1))
    expect(createBatches({ ...COMMON, gradientAccumulationSteps: 8, dropLast: true }).windows).toEqual([])
  })

  test('`groupByLength` brings examples of like length together, and again the same ones', () => {
    const many = Array.from({ length: 64 }, (_, i) => example(i, 1 + ((i * 37) % 64)))
    const options = { ...COMMON, examples: many, microBatchSize: 4, sequenceLength: 64 }
    const spreadOf = (groupByLength: boolean): number => {
      const batches = createBatches({ ...options, groupByLength })
      return all(batches).reduce((total, { offsets }) => {
        const lengths = Array.from(offsets.slice(1), (end, i) => end - offsets[i])
        return total + Math.max(...lengths) - Math.min(...lengths)
      }, 0)
    }
    expect(spreadOf(true)).toBeLessThan(spreadOf(false) / 2)
    expect(all(createBatches({ ...options, groupByLength: true }))).toEqual(
      all(createBatches({ ...options, groupByLength: true })),
    )
    // The longest comes first.
    const [first] = all(createBatches({ ...options, groupByLength: true }))
    expect(first.offsets[1]).toBe(64)
  })

  test('gives any batch on its own, again and again', () => {
    const batches = createBatches(COMMON)
    const third = batches.get(3)
    batches.get(0)
    expect(batches.get(3)).toEqual(third)
    expect(() => batches.get(6)).toThrow('batch 6 of 6')
  })

  test('keeps the order without shuffling', () => {
    const batches = createBatches({ ...COMMON, shuffle: false })
    expect(all(batches).flatMap(documents)).toEqual(examples.map(({ ids }) => [...ids]))
  })

  test('has no batches without examples', () => {
    expect(createBatches({ ...COMMON, examples: [] })).toMatchObject({ length: 0, windows: [] })
  })
})

describe('splitValidation()', () => {
  const items = Array.from({ length: 20 }, (_, i) => i)

  test('takes a part or a number, in order, the same for the same seed', () => {
    const { train, validation } = splitValidation(items, 0.12, 1)
    expect(validation).toHaveLength(3)
    expect([...train, ...validation].toSorted((a, b) => a - b)).toEqual(items)
    expect(validation).toEqual(validation.toSorted((a, b) => a - b))
    expect(splitValidation(items, 0.12, 1)).toEqual({ train, validation })
    expect(splitValidation(items, 5, 1).validation).toHaveLength(5)
    expect(splitValidation(items, 5, 2)).not.toEqual(splitValidation(items, 5, 1))
    expect(splitValidation(items, 0, 1)).toEqual({ train: items, validation: [] })
  })

  test('refuses to leave nothing', () => {
    expect(() => splitValidation(items, 20, 1)).toThrow('leaves none to train on')
    expect(() => splitValidation([1], 0.5, 1)).toThrow('leaves none to train on')
  })
})
