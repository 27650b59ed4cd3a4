/**
 * What processes tell each other arrives as it is.
 */
import { expect, test } from 'bun:test'
import { exactJson, fromExactJson } from '../../core/exact-json.ts'

test.each([
  [{ loss: Number.NaN, log: { a: Number.POSITIVE_INFINITY, b: Number.NEGATIVE_INFINITY, c: 0.1 } }],
  [[null, 1, 'NaN', [Number.NaN]]],
  [Number.NaN],
  [null],
])('%j', (value) => {
  expect(fromExactJson<unknown>(exactJson(value))).toEqual(value)
})
