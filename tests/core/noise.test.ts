/**
 * Keyed noise: same key, same bits; another split of the rows, the same bits; outside of withNoise(), an error.
 */
import { describe, expect, test } from 'bun:test'
import { dropout, noiseKey, siteOf, slice, tensor, tensorScope, withNoise, wordAt } from '../../core/mod.ts'

const ONES: number[] = Array.from({ length: 64 * 9 }, () => 1)

function mask(stream: { seed: number; step: number; offset?: number }, rows = 64, site = 1): number[] {
  using _scope = tensorScope()
  const x = tensor(ONES.slice(0, rows * 9), { shape: [rows, 9] })
  return [...withNoise(stream, () => dropout(x, { p: 0.5, site })).toArray()]
}

describe('dropout()', () => {
  test('drops a share p and scales what stays', () => {
    const values = mask({ seed: 1, step: 0 })
    expect(new Set(values)).toEqual(new Set([0, 2]))
    const kept = values.filter((value) => value > 0).length / values.length
    expect(kept).toBeGreaterThan(0.42)
    expect(kept).toBeLessThan(0.58)
  })

  test('repeats with the same key and differs with any other', () => {
    const first = mask({ seed: 1, step: 0 })
    expect(mask({ seed: 1, step: 0 })).toEqual(first)
    for (const other of [
      mask({ seed: 2, step: 0 }),
      mask({ seed: 1 + 2 ** 32, step: 0 }),
      mask({ seed: 1, step: 1 }),
      mask({ seed: 1, step: 0, offset: 64 }),
      mask({ seed: 1, step: 0 }, 64, 2),
    ]) {
      expect(other).not.toEqual(first)
    }
  })

  test('draws the same bits however the rows are split into micro-batches', () => {
    const whole = mask({ seed: 9, step: 4 })
    const parts = [mask({ seed: 9, step: 4 }, 21), mask({ seed: 9, step: 4, offset: 21 }, 43)]
    expect(parts.flat()).toEqual(whole)
  })

  test('with p 0 needs no stream and keeps the numbers', () => {
    using _scope = tensorScope()
    const x = tensor([1, 2, 3])
    expect(dropout(x, { p: 0, site: 0 }).toArray()).toEqual(x.toArray())
    expect(() => dropout(x, { p: 0.1, site: 0 })).toThrow('withNoise()')
    expect(slice(x, { start: 1 }).toArray()).toEqual(new Float32Array([2, 3]))
  })
})

describe('noiseKey()', () => {
  test('has the layout of the native ABI', () => {
    const key = withNoise({ seed: 2 ** 40 + 3, step: 7, offset: 2 ** 33 }, () => noiseKey(11, 5, 2))
    expect([...key]).toEqual([3, 256, 7, 11, 5, 4])
  })

  test('continues across the carry of its offset', () => {
    const at = (low: number, high: number, i: number): number =>
      wordAt(Uint32Array.of(1, 2, 3, 4, low, high), i)
    expect(at(2 ** 32 - 1, 0, 1)).toBe(at(0, 1, 0))
    expect(at(6, 0, 3)).toBe(at(0, 0, 9))
  })

  test('siteOf() is FNV-1a', () => {
    expect(siteOf('')).toBe(0x811c9dc5)
    expect(siteOf('a')).toBe(0xe40c292c)
    expect(siteOf('foobar')).toBe(0xbf9cf968)
  })
})
