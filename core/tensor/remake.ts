/**
 * Whether cheap results are kept for the backward pass or made again in it.
 *
 * Some ops (norms, gates) can make an output again from what their own gradient keeps anyway. With lean memory, whoever needs such an output later keeps
 * nothing; the op makes it again when the backward pass comes by, once for all who ask, with the same bits.
 */

let lean = false

/** Whether this call lies inside of a `withLeanMemory()`. */
export function isMemoryLean(): boolean {
  return lean
}

/** Runs `fn` with cheap results remade (`on`) or kept. */
export function withLeanMemory<T>(on: boolean, fn: () => T): T {
  const before = lean
  lean = on
  try {
    return fn()
  } finally {
    lean = before
  }
}
