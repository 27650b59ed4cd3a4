import { describe, expect, test } from 'bun:test'
import { createRandom, philox4x32 } from '../../core/tensor/random.ts'

function hex(words: Uint32Array): string {
  return [...words].map((word) => word.toString(16).padStart(8, '0')).join(' ')
}

/** kat_vectors of Random123, philox4x32 with 10 rounds. */
test('`philox4x32()` gives the published vectors', () => {
  const all = 0xffffffff
  expect(hex(philox4x32([0, 0], [0, 0, 0, 0]))).toBe('6627e8d5 e169c58d bc57ac4c 9b00dbd8')
  expect(hex(philox4x32([all, all], [all, all, all, all]))).toBe('408f276d 41c83b0e a20bc7c6 6d5451fd')
  expect(hex(philox4x32([0xa4093822, 0x299f31d0], [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344]))).toBe(
    'd16cfe09 94fdcceb 5001e420 24126ea1',
  )
})

describe('createRandom()', () => {
  test('is Philox over a counter', () => {
    const random = createRandom(0)
    expect(hex(Uint32Array.from({ length: 4 }, () => random.uint32()))).toBe(
      '6627e8d5 e169c58d bc57ac4c 9b00dbd8',
    )
    expect(random.uint32()).toBe(philox4x32([0, 0], [1, 0, 0, 0])[0])
  })

  test('separates seeds (beyond 32 bits too) and streams', () => {
    const starts = [
      createRandom(1),
      createRandom(2),
      createRandom(1 + 2 ** 32),
      createRandom(1, 1),
      createRandom(1, 'a'),
      createRandom(1, 'b'),
    ].map((random) => random.uint32())
    expect(new Set(starts).size).toBe(starts.length)
    expect(createRandom(1, 'a').uint32()).toBe(starts[4])
  })

  test('`float()` stays in [0, 1) with mean 1/2', () => {
    const random = createRandom(3)
    const values = Array.from({ length: 20_000 }, () => random.float())
    expect(Math.min(...values)).toBeGreaterThanOrEqual(0)
    expect(Math.max(...values)).toBeLessThan(1)
    expect(values.reduce((a, b) => a + b) / values.length).toBeCloseTo(0.5, 2)
    expect(values.every((x) => Math.fround(x) === x)).toBe(true)
  })

  test('`normal()` has mean 0 and variance 1', () => {
    const random = createRandom(4)
    const values = Array.from({ length: 40_000 }, () => random.normal())
    expect(Math.abs(values.reduce((a, b) => a + b) / values.length)).toBeLessThan(0.02)
    expect(Math.abs(values.reduce((a, b) => a + b * b, 0) / values.length - 1)).toBeLessThan(0.03)
  })

  test('`int()` covers its range evenly and refuses an empty one', () => {
    const random = createRandom(5)
    const counts = [0, 0, 0]
    for (let i = 0; i < 9000; i++) counts[random.int(3)]++
    for (const count of counts) expect(Math.abs(count - 3000)).toBeLessThan(200)
    expect(random.int(1)).toBe(0)
    // A remainder without rejection would give the low third half of the values.
    let low = 0
    for (let i = 0; i < 3000; i++) if (random.int(3 * 2 ** 30) < 2 ** 30) low++
    expect(Math.abs(low - 1000)).toBeLessThan(150)
    expect(() => random.int(0)).toThrow('must be a whole number from 1')
  })

  test('`shuffle()` permutes, and evenly', () => {
    expect(createRandom(6).shuffle([1, 2, 3, 4, 5]).toSorted()).toEqual([1, 2, 3, 4, 5])
    const counts = new Map<string, number>()
    for (let i = 0; i < 6000; i++) {
      const order = createRandom(7, i).shuffle([0, 1, 2]).join('')
      counts.set(order, (counts.get(order) ?? 0) + 1)
    }
    expect(counts.size).toBe(6)
    for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(150)
  })
})
