/**
 * The trits that a seed decides: dimension i takes the i-th number of core's Philox stream, so that the packed and the sparse form
 * of the same options are the same vector.
 */
import { createRandom } from '../../../core/mod.ts'
import { expectNumber } from '../../../core/tensor/expect.ts'
import { expectDims, type RandomTritsOptions } from './trit-vec.ts'

/** Where the three values are equally likely. */
export const UNIFORM_DENSITY: number = 2 / 3

/** Calls `put` for each dimension that is not 0, in ascending order. */
export function drawTrits(
  { dims, seed, stream = 0, density = UNIFORM_DENSITY }: RandomTritsOptions,
  put: (i: number, trit: 1 | -1) => void,
): void {
  expectDims('random', dims)
  expectNumber('random', 'density', density, { min: 0, max: 1 })
  const random = createRandom(seed, stream)
  const positive = Math.round(2 ** 31 * density)
  for (let i = 0; i < dims; i++) {
    const drawn = random.uint32()
    if (drawn < positive) put(i, 1)
    else if (drawn < 2 * positive) put(i, -1)
  }
}
