/**
 * Examples of like length side by side and still mixed, as `get_length_grouped_indices` of transformers orders them: mixed
 * examples are cut into blocks of up to 50 batches, and each block is sorted by length, the longest first.
 */

const LARGEST_BLOCK = 50

/**
 * @param order the examples, mixed
 * @param lengths of the examples, by their numbers
 * @param batchSize how many meet in a step
 */
export function groupByLength(
  order: Uint32Array,
  lengths: readonly number[],
  batchSize: number,
): Uint32Array {
  const batches = Math.min(Math.floor(order.length / (batchSize * 4)), LARGEST_BLOCK)
  const blockSize = Math.max(1, batches) * batchSize
  const grouped = new Uint32Array(order.length)
  let longest = 0
  for (let start = 0; start < order.length; start += blockSize) {
    // Sorting is stable, as in Python.
    const block = [...order.subarray(start, start + blockSize)].toSorted((a, b) => lengths[b] - lengths[a])
    grouped.set(block, start)
    if (lengths[block[0]] > lengths[grouped[longest]]) longest = start
  }
  // The longest of all comes first, so that memory runs out in the first step or not at all.
  if (grouped.length > 0) [grouped[0], grouped[longest]] = [grouped[longest], grouped[0]]
  return grouped
}
