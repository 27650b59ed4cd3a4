/**
 * What a process that makes steps of its own trains on, and when all meet.
 */
import { describe, expect, test } from 'bun:test'
import { concatenate } from '../../../plugins/data/mod.ts'
import { isRoundEnd, ownBatches } from '../../../plugins/finetune/parallel/local-worker.ts'
import { dilocoOptions } from '../../../plugins/finetune/config/diloco-options.ts'
import * as v from 'valibot'

const window = Array.from({ length: 5 }, (_, i) => {
  const ids = Int32Array.of(i, i, i)
  return concatenate([{ ids, labels: ids, source: { file: 'here', line: i } }])
})

function rowsOf(rank: number, size: number, of = window): number[] {
  return ownBatches({ rank, size }, of).map(({ ids }) => ids[0])
}

describe('micro-batches', () => {
  test('go round, each to one process', () => {
    expect([0, 1].map((rank) => rowsOf(rank, 2))).toEqual([
      [0, 2, 4],
      [1, 3],
    ])
    expect(ownBatches(null, window)).toBe(window)
  })
  test('of which there are too few are taken twice: nobody makes a step of nothing', () => {
    expect([0, 1, 2, 3].map((rank) => rowsOf(rank, 4, window.slice(0, 3)))).toEqual([[0], [1], [2], [0]])
  })
})

test('rounds end after the first step, after so many, and after the last', () => {
  const options = v.parse(dilocoOptions, { every: 4 })
  const ends = Array.from({ length: 10 }, (_, i) => i + 1).filter((steps) => isRoundEnd(options, steps, 10))
  expect(ends).toEqual([1, 4, 8, 10])
})
