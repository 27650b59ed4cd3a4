/**
 * Two ternary planes: what they can hold they hold, more planes and more care are nearer, and what cannot be is refused.
 */
import { describe, expect, test } from 'bun:test'
import { createRandom } from '../../../core/mod.ts'
import { dualPlane, ternarize } from '../../../plugins/bitnet/mod.ts'

const [ROWS, COLS] = [8, 256]
const random = createRandom(5, 'planes')
const weight = Float32Array.from({ length: ROWS * COLS }, () => random.normal())

function errorOf(values: ArrayLike<number>, costs: (column: number) => number = () => 1): number {
  let total = 0
  for (let i = 0; i < weight.length; i++) total += costs(i % COLS) * (values[i] - weight[i]) ** 2
  return total
}

describe('dualPlane', () => {
  test('the values are the planes times their scales, and the error is far below that of one plane', () => {
    const { first, second, scales, values } = dualPlane(weight, [ROWS, COLS])
    for (let i = 0; i < weight.length; i++) {
      const group = Math.floor(i / 128)
      expect(values[i]).toBeCloseTo(scales[2 * group] * first[i] + scales[2 * group + 1] * second[i], 6)
      expect([-1, 0, 1]).toContain(first[i])
    }
    const one = ternarize(weight, [ROWS, COLS], { scale: 'absmean', block: 128 })
    const quarter = weight.length / 4
    const plane = weight.map((_, i) => {
      const trit = ((one.packed[i % quarter] >> (2 * Math.floor(i / quarter))) & 3) - 1
      return trit * one.scales[Math.floor(i / 128)]
    })
    expect(errorOf(values)).toBeLessThan(errorOf(plane) / 4)
  })

  test('smaller groups are nearer; what matters more is nearer where it matters', () => {
    const wide = dualPlane(weight, [ROWS, COLS], { group: 256 })
    const narrow = dualPlane(weight, [ROWS, COLS], { group: 32 })
    expect(errorOf(narrow.values)).toBeLessThan(errorOf(wide.values))
    const costs = (column: number): number => (column % 8 === 0 ? 50 : 1)
    const importance = Float32Array.from({ length: COLS }, (_, column) => costs(column))
    const careful = dualPlane(weight, [ROWS, COLS], { importance })
    expect(errorOf(careful.values, costs)).toBeLessThan(
      errorOf(dualPlane(weight, [ROWS, COLS]).values, costs),
    )
  })

  test('turning spreads outliers of many sizes over their group, and comes back to their places', () => {
    const spiked = weight.map((value) => value ** 5)
    const error = (values: ArrayLike<number>): number =>
      spiked.reduce((sum, value, i) => sum + (values[i] - value) ** 2, 0)
    const plain = dualPlane(spiked, [ROWS, COLS])
    const turned = dualPlane(spiked, [ROWS, COLS], { rotate: true })
    expect(error(turned.values)).toBeLessThan(error(plain.values))
    const size = spiked.reduce((sum, value) => sum + value ** 2, 0)
    expect(error(turned.values)).toBeLessThan(0.1 * size)
  })

  test('zeros stay zeros', () => {
    expect(dualPlane(new Float32Array(128), [1, 128]).values.every((value) => value === 0)).toBe(true)
  })

  test.each([
    [{ group: 100 }, 'groups of 100 columns do not divide 256'],
    [{ rotate: true, group: 64, importance: new Float32Array(COLS) }, 'have no importance of their own'],
    [{ importance: new Float32Array(3) }, '3 importances for 256 columns'],
  ])('%# is refused', (options, message) => {
    expect(() => dualPlane(weight, [ROWS, COLS], options)).toThrow(message)
  })

  test('groups that are no power of two cannot be turned', () => {
    expect(() => dualPlane(new Float32Array(96), [1, 96], { group: 48, rotate: true })).toThrow(
      'cannot be turned',
    )
  })
})
