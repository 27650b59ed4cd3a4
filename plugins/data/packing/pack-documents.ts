/**
 * Sample packing: documents into rows of a fixed capacity, first-fit decreasing, never splitting a document.
 *
 * D. S. Johnson, "Near-optimal bin packing algorithms", 1973: at most 11/9 of the best number of rows, plus 6/9. Looking
 * up the first row with enough room walks a tree of maxima, so n documents take O(n log n).
 */

/**
 * Rows of indices into `lengths`. A document longer than `capacity` is an error of the caller.
 *
 * @example
 * ```ts
 * import { packDocuments } from 'tritune/plugins/data'
 *
 * console.log(packDocuments([5, 3, 8, 2], 8).length) // → 3
 * ```
 */
export function packDocuments(lengths: ArrayLike<number>, capacity: number): number[][] {
  const order = Array.from({ length: lengths.length }, (_, i) => i)
  // The sort is stable: among equal lengths the given order decides.
  order.sort((a, b) => lengths[b] - lengths[a])
  const rooms = createRooms(lengths.length, capacity)
  const rows: number[][] = []
  for (const index of order) {
    const length = lengths[index]
    if (length > capacity) {
      throw new RangeError(
        `packDocuments(): document ${index} has ${length} tokens, the rows have ${capacity}`,
      )
    }
    const row = rooms.take(length)
    if (row === rows.length) rows.push([])
    rows[row].push(index)
  }
  return rows
}

/** Rows of indices into `lengths`, in their order: a row ends where the next document has no room. As axolotl's `sample_packing_sequentially`. */
export function packInOrder(lengths: ArrayLike<number>, capacity: number): number[][] {
  const rows: number[][] = []
  let room = 0
  for (let index = 0; index < lengths.length; index++) {
    const length = lengths[index]
    if (length > capacity)
      throw new RangeError(`packInOrder(): document ${index} has ${length} tokens, the rows have ${capacity}`)
    if (length > room || rows.length === 0) {
      rows.push([])
      room = capacity
    }
    rows[rows.length - 1].push(index)
    room -= length
  }
  return rows
}

interface Rooms {
  /** The first row that has room for `length`, which is taken from it. */
  take(length: number): number
}

/** At most `count` rows, all empty at first. `tree[node]` is the largest room below the node. */
function createRooms(count: number, capacity: number): Rooms {
  let leaves = 1
  while (leaves < count) leaves *= 2
  const tree = new Float64Array(2 * leaves).fill(capacity)
  return {
    take(length) {
      let node = 1
      while (node < leaves) node = tree[2 * node] >= length ? 2 * node : 2 * node + 1
      const row = node - leaves
      tree[node] -= length
      for (node >>= 1; node >= 1; node >>= 1) tree[node] = Math.max(tree[2 * node], tree[2 * node + 1])
      return row
    },
  }
}
