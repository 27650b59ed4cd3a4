/**
 * Which numbers of a trained change are kept, and which become 0, before changes are added up: PEFT's `merge_utils.prune`.
 */

/** Keeps the ⌊density · n⌋ numbers that are farthest from 0; of equal ones the first. density ≥ 1: all. */
export function keepLargest(values: Float32Array, density: number): Float32Array {
  if (density >= 1) return values
  const count = Math.trunc(density * values.length)
  if (count === 0) return new Float32Array(values.length)
  const sizes = values.map(Math.abs)
  const least = sizes.toSorted()[values.length - count]
  let ties = count - sizes.reduce((sum, size) => sum + (size > least ? 1 : 0), 0)
  return values.map((value, i) => (sizes[i] > least || (sizes[i] === least && ties-- > 0) ? value : 0))
}

/** Says of each number, by its index, whether it is kept. */
export type Mask = (index: number) => boolean

/** Keeps what the mask says, divided by the density: the expected sum stays (DARE, arXiv 2311.03099). density ≥ 1: all, as they are. */
export function keepRandom(values: Float32Array, density: number, mask: Mask): Float32Array {
  if (density >= 1) return values
  return values.map((value, i) => (mask(i) ? value / density : 0))
}
