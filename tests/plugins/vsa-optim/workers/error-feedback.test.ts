/**
 * Error feedback: nothing of a gradient is lost for good.
 */
import { describe, expect, test } from 'bun:test'
import { createRandom } from '../../../../core/mod.ts'
import {
  keptShare,
  ternaryCompressor,
  vsaCompressor,
  withErrorFeedback,
} from '../../../../plugins/vsa-optim/mod.ts'
import { thrownBy } from '../_thrown.ts'

const LENGTH = 600

function gradients(count: number): Float32Array[] {
  const random = createRandom(11)
  return Array.from({ length: count }, () =>
    Float32Array.from({ length: LENGTH }, () => random.normal() ** 3),
  )
}

const MAKERS = [
  ['ternary', () => ternaryCompressor()],
  ['vsa', () => vsaCompressor()],
  ['vsa, a quarter', () => vsaCompressor({ ratio: 0.25 })],
] as const

describe('error feedback', () => {
  test.each(MAKERS)(
    '%s: what was sent is the sum of the gradients less the error that is left',
    (_, make) => {
      const worker = withErrorFeedback(make(), LENGTH)
      const sent = new Float64Array(LENGTH)
      const given = new Float64Array(LENGTH)
      for (const g of gradients(40)) {
        for (const [i, x] of worker.decompress(worker.compress(g)).entries()) sent[i] += x
        for (const [i, x] of g.entries()) given[i] += x
      }
      const left = Float32Array.from(given, (x, i) => x - sent[i])
      expect(keptShare(worker.error, left)).toBeGreaterThan(1 - 1e-8)
      expect(worker.round).toBe(40)
    },
  )
  test.each(MAKERS)(
    '%s: of a gradient that stays the same, the mean of what is sent comes near it; without, it does not',
    (_, make) => {
      const [g] = gradients(1)
      const worker = withErrorFeedback(make(), LENGTH)
      const plain = make()
      const steps = 400
      const [fed, bare] = [new Float32Array(LENGTH), new Float32Array(LENGTH)]
      for (let round = 0; round < steps; round++) {
        for (const [i, x] of worker.decompress(worker.compress(g)).entries()) fed[i] += x / steps
        for (const [i, x] of plain.decompress(plain.compress(g, round)).entries()) bare[i] += x / steps
      }
      expect(keptShare(g, fed)).toBeGreaterThan(0.99)
      expect(keptShare(g, bare)).toBeLessThan(0.95)
    },
  )
  test('says what the last message kept, and forgets when reset', () => {
    const worker = withErrorFeedback(vsaCompressor(), LENGTH)
    const [g] = gradients(1)
    expect(worker.kept).toBeNull()
    const first = worker.compress(g)
    expect(worker.kept).toBeCloseTo(keptShare(g, worker.decompress(first)), 6)
    expect(worker.compress(g)).not.toEqual(first)
    worker.reset()
    expect([worker.kept, worker.round]).toEqual([null, 0])
    expect(worker.compress(g)).toEqual(first)
  })
  test('a gradient that is refused changes nothing', () => {
    const worker = withErrorFeedback(ternaryCompressor(), LENGTH)
    const [g] = gradients(1)
    worker.compress(g)
    const before = worker.error
    expect(thrownBy(() => worker.compress(new Float32Array(3)))).toEqual([
      'E_SHAPE',
      'this compressor is for 600 numbers, got 3',
    ])
    expect(thrownBy(() => worker.compress(g.map(() => Number.NaN)))[0]).toBe('E_NAN')
    expect([worker.error, worker.round]).toEqual([before, 1])
    expect(thrownBy(() => withErrorFeedback(ternaryCompressor(), 0))[0]).toBe('E_VALUE')
  })
})
