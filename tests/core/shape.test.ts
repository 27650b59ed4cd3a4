import { describe, expect, test } from 'bun:test'
import {
  broadcastShapes,
  broadcastStrides,
  expectShape,
  formatShape,
  resolveAxis,
  resolveShape,
  sameShape,
  sizeOf,
  stridesOf,
  TrituneError,
} from '../../core/mod.ts'

test('`sizeOf()` multiplies; a scalar has one element', () => {
  expect(sizeOf([2, 3, 4])).toBe(24)
  expect(sizeOf([])).toBe(1)
  expect(sizeOf([3, 0])).toBe(0)
})

test('`sameShape()` compares rank and sizes', () => {
  expect(sameShape([2, 3], [2, 3])).toBe(true)
  expect(sameShape([2, 3], [3, 2])).toBe(false)
  expect(sameShape([2], [2, 1])).toBe(false)
  expect(sameShape([], [])).toBe(true)
})

test('`formatShape()` writes a tuple', () => {
  expect(formatShape([2, 3])).toBe('(2, 3)')
  expect(formatShape([])).toBe('()')
})

test('`stridesOf()` is row-major', () => {
  expect(stridesOf([2, 3, 4])).toEqual([12, 4, 1])
  expect(stridesOf([5])).toEqual([1])
  expect(stridesOf([])).toEqual([])
})

describe('broadcastShapes()', () => {
  test('`broadcastShapes()` aligns at the end and stretches ones', () => {
    expect(broadcastShapes([2, 3], [3])).toEqual([2, 3])
    expect(broadcastShapes([3], [2, 1])).toEqual([2, 3])
    expect(broadcastShapes([4, 1, 5], [1, 3, 1])).toEqual([4, 3, 5])
    expect(broadcastShapes([], [2, 2])).toEqual([2, 2])
  })
  test('`broadcastShapes()` takes a size of zero from either side', () => {
    expect(broadcastShapes([0, 3], [1, 3])).toEqual([0, 3])
    expect(broadcastShapes([1], [0])).toEqual([0])
  })
  test('`broadcastShapes()` refuses sizes that differ and names both shapes', () => {
    expect(() => broadcastShapes([2, 3], [2])).toThrow('shapes (2, 3) and (2) do not broadcast')
    expect(() => broadcastShapes([2], [3])).toThrow(TrituneError)
  })
})

test('`broadcastStrides()` is zero where a shape is stretched', () => {
  expect(broadcastStrides([3], [2, 3])).toEqual([0, 1])
  expect(broadcastStrides([2, 1], [2, 3])).toEqual([1, 0])
  expect(broadcastStrides([2, 3], [2, 3])).toEqual([3, 1])
  expect(broadcastStrides([], [2, 3])).toEqual([0, 0])
  expect(broadcastStrides([1, 3], [1, 3])).toEqual([3, 1])
})

test('`expectShape()` names the tensor, what was expected and what came', () => {
  expect(() => expectShape('weight', [2, 3], [2, 3])).not.toThrow()
  expect(() => expectShape('weight', [2, 3], [3, 2])).toThrow('weight: expected shape (3, 2), got (2, 3)')
})

describe('resolveShape()', () => {
  test('`resolveShape()` works out one −1', () => {
    expect(resolveShape([2, 6], [3, -1])).toEqual([3, 4])
    expect(resolveShape([2, 6], [-1])).toEqual([12])
    expect(resolveShape([2, 6], [12])).toEqual([12])
    expect(resolveShape([1], [])).toEqual([])
  })
  test('`resolveShape()` refuses what does not fit', () => {
    for (const to of [[5], [5, -1], [-1, -1], [-2, -6], [1.5, 8]]) {
      expect(() => resolveShape([2, 6], to)).toThrow('cannot reshape (2, 6)')
    }
  })
})

test('`resolveAxis()` counts from the end when negative', () => {
  expect(resolveAxis([2, 3, 4], -1)).toBe(2)
  expect(resolveAxis([2, 3, 4], -3)).toBe(0)
  expect(resolveAxis([2, 3, 4], 1)).toBe(1)
  for (const axis of [3, -4, 0.5])
    expect(() => resolveAxis([2, 3, 4], axis)).toThrow('is not in shape (2, 3, 4)')
})
