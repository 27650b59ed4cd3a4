/** A binary heap: the value that is before all others comes out first. */

export interface Heap<T> {
  push(value: T): void
  pop(): T | undefined
}

/** `isBefore` decides the order; values of which neither is before the other come in any. */
export function createHeap<T>(isBefore: (a: T, b: T) => boolean): Heap<T> {
  const values: T[] = []
  return {
    push(value) {
      let at = values.push(value) - 1
      while (at > 0) {
        const parent = (at - 1) >> 1
        if (!isBefore(value, values[parent])) break
        values[at] = values[parent]
        at = parent
      }
      values[at] = value
    },
    pop() {
      const top = values[0]
      const last = values.pop()
      if (last === undefined || values.length === 0) return top
      let at = 0
      for (let child = 1; child < values.length; child = 2 * at + 1) {
        if (child + 1 < values.length && isBefore(values[child + 1], values[child])) child++
        if (!isBefore(values[child], last)) break
        values[at] = values[child]
        at = child
      }
      values[at] = last
      return top
    },
  }
}
