/**
 * Which micro-batch is chosen by its speed, and how many documents say the same.
 */
import { describe, expect, test } from 'bun:test'
import { createRandom } from '../../../core/mod.ts'
import {
  betaOfBatch,
  betaOfHalfLife,
  chooseMicroBatch,
  type GradientLengths,
  noiseScale,
} from '../../../plugins/autotune/mod.ts'

test('the smallest size that is nearly as fast as the fastest', () => {
  const of = (...speeds: readonly number[]): number =>
    chooseMicroBatch(speeds.map((tokensPerSecond, i) => ({ size: 2 ** i, tokensPerSecond })))
  expect(of(100, 100, 100)).toBe(1)
  expect(of(89, 100, 80)).toBe(2)
  expect(of(10, 20, 40, 80)).toBe(8)
  expect(of(10, 90, 40, 100)).toBe(2)
})

test('where a size is the batch, the smallest that learns nearly as fast as the fastest', () => {
  const speeds = [1, 2, 4, 8].map((size) => ({ size, tokensPerSecond: 100 * size ** 0.5 }))
  // Speed over (1 + size / noise): 100·√size·noise / (noise + size), which is highest at size = noise.
  expect(chooseMicroBatch(speeds, { noise: 2 })).toBe(1)
  expect(chooseMicroBatch(speeds, { noise: 8 })).toBe(4)
  expect(chooseMicroBatch(speeds, { noise: 1e6 })).toBe(8)
  expect(chooseMicroBatch(speeds, { noise: null })).toBe(8)
  expect(chooseMicroBatch(speeds)).toBe(8)
})

test('β₂ keeps its half-life in tokens', () => {
  const halfLifeOf = (beta2: number, stepTokens: number): number =>
    (stepTokens * Math.log(0.5)) / Math.log(beta2)
  // 512 × 1024 tokens with 0.95, and one of 512 documents.
  const before = halfLifeOf(0.95, 512 * 1024)
  const after = betaOfBatch(0.95, 1 / 512)
  expect(after).toBeCloseTo(0.95 ** (1 / 512), 15)
  expect(halfLifeOf(after, 1024) / before).toBeCloseTo(1, 9)
  expect(betaOfHalfLife(before, 512 * 1024)).toBeCloseTo(0.95, 12)
  expect(betaOfHalfLife(before, 1024)).toBeCloseTo(after, 12)
  expect(betaOfHalfLife(1000, 1000)).toBe(0.5)
})

describe('noiseScale()', () => {
  test('is the one of gradients whose noise is known', () => {
    const [dimensions, noise, documents] = [400, 3, 32]
    const random = createRandom(5, 'noise')
    const squared = (vectors: readonly Float64Array[]): number => {
      let sum = 0
      for (let i = 0; i < dimensions; i++)
        sum += (vectors.reduce((total, vector) => total + vector[i], 0) / vectors.length) ** 2
      return sum
    }
    const windows = Array.from({ length: 20 }, (): GradientLengths => {
      const each = Array.from({ length: documents }, () =>
        Float64Array.from({ length: dimensions }, () => 0.5 + noise * random.normal()),
      )
      const smallSquared = each.reduce((sum, one) => sum + squared([one]), 0) / documents
      return { small: 1, large: documents, smallSquared, largeSquared: squared(each) }
    })
    // Variance over squared mean: 9 / 0.25.
    expect(noiseScale(windows)).toBeGreaterThan(36 * 0.85)
    expect(noiseScale(windows)).toBeLessThan(36 * 1.15)
  })

  test('is not told where there is more noise than gradient, or nothing to compare', () => {
    expect(noiseScale([{ small: 1, large: 4, smallSquared: 8, largeSquared: 1 }])).toBe(null)
    expect(noiseScale([{ small: 4, large: 4, smallSquared: 2, largeSquared: 2 }])).toBe(null)
    expect(noiseScale([])).toBe(null)
  })
})
