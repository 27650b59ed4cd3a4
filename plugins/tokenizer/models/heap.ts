/** A binary heap of numbers, smallest first. */

export interface Heap {
  push(value: number): void
  pop(): number | undefined
}

export function createHeap(): Heap {
  const values: number[] = []
  return {
    push(value) {
      let at = values.push(value) - 1
      while (at > 0) {
        const parent = (at - 1) >> 1
        if (values[parent] <= value) break
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
        if (child + 1 < values.length && values[child + 1] < values[child]) child++
        if (values[child] >= last) break
        values[at] = values[child]
        at = child
      }
      values[at] = last
      return top
    },
  }
}
