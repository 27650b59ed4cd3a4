/**
 * Gradients that wait as trits: their mean on average, each with its own scale, in the bytes that are told.
 */
import { expect, test } from 'bun:test'
import { createRandom } from '../../../../core/mod.ts'
import { keptShare, tritAccumulator } from '../../../../plugins/vsa-optim/mod.ts'
import { thrownBy } from '../_thrown.ts'

const LENGTH = 300

/** The second is a hundred times the first: a mean of the scales would give half of it to both. */
function gradients(): Float32Array[] {
  const random = createRandom(4)
  return [1, 100, 0].map((scale) => Float32Array.from({ length: LENGTH }, () => scale * random.normal()))
}

test('the mean of many draws is the mean of the gradients, whatever their scales', () => {
  const given = gradients()
  const waiting = tritAccumulator(LENGTH, { seed: 1, block: 64 })
  const draws = 800
  const mean = new Float32Array(LENGTH)
  for (let draw = 0; draw < draws; draw++) {
    for (const gradient of given) waiting.add(gradient)
    for (const [i, x] of waiting.take().entries()) mean[i] += x / draws
  }
  const expected = Float32Array.from(
    { length: LENGTH },
    (_, i) => (given[0][i] + given[1][i] + given[2][i]) / 3,
  )
  expect(keptShare(expected, mean)).toBeGreaterThan(0.99)
  // What is of the small one shows only once the large one's noise is gone.
  const small = tritAccumulator(LENGTH, { seed: 2, block: 64 })
  const alone = new Float32Array(LENGTH)
  for (let draw = 0; draw < draws; draw++) {
    small.add(given[0])
    for (const [i, x] of small.take().entries()) alone[i] += x / draws
  }
  expect(keptShare(given[0], alone)).toBeGreaterThan(0.99)
})

test('memory: 1.6 bits a number and 2 bytes a block, of each gradient', () => {
  const waiting = tritAccumulator(10_000)
  for (let n = 0; n < 8; n++) waiting.add(new Float32Array(10_000).fill(n))
  const { bytes, gradientBytes, sumBytes } = waiting.memory
  expect(bytes).toBe(8 * (2 * (820 + 2) + 362 + 2))
  expect([gradientBytes, sumBytes]).toEqual([8 * 40_000, 40_000])
  expect(1 - bytes / gradientBytes).toBeGreaterThan(0.949)
  expect(waiting.take()[9]).toBeCloseTo(3.5, 5)
  expect([waiting.count, waiting.memory.bytes]).toEqual([0, 0])
})

test('refused', () => {
  const waiting = tritAccumulator(4)
  expect(thrownBy(() => waiting.take())).toEqual(['E_USAGE', 'there is no gradient to take the mean of'])
  expect(thrownBy(() => waiting.add(new Float32Array(3)))[0]).toBe('E_SHAPE')
  expect(thrownBy(() => waiting.add(new Float32Array(4).fill(Number.NaN)))[0]).toBe('E_NAN')
  expect(waiting.count).toBe(0)
  expect(thrownBy(() => tritAccumulator(0))[0]).toBe('E_VALUE')
  expect(thrownBy(() => tritAccumulator(4, { block: 3 }))[0]).toBe('E_VALUE')
})
