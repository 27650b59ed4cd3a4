import { expect, test } from 'bun:test'
import { groupByLength } from '../../../plugins/data/packing/group-by-length.ts'
import { goldenJson } from '../../_golden.ts'

interface Groups {
  readonly batch: number
  readonly order: readonly number[]
  readonly lengths: readonly number[]
  readonly grouped: readonly number[]
}

test.each(goldenJson<Groups[]>('trainer', 'groups.json').map((one) => [one.lengths.length, one] as const))(
  '`groupByLength()` orders %d examples as transformers does',
  (_, { batch, order, lengths, grouped }) => {
    expect([...groupByLength(Uint32Array.from(order), lengths, batch)]).toEqual([...grouped])
  },
)

test('`groupByLength()` of nothing is nothing', () => {
  expect([...groupByLength(new Uint32Array(), [], 4)]).toEqual([])
})
