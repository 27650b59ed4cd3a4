/**
 * Numbers that the host wants but need not have at once: losses, norms. The first one that is asked for brings all that
 * wait, in one transfer, so a training step waits for a GPU once.
 */
import { DTYPES, type HostArray, numbersOf } from './dtype.ts'
import { empty, type Tensor } from './tensor.ts'

/** A queue of tensors whose numbers the host wants later. */
export interface Readback extends Disposable {
  /**
   * Queues a tensor, which may be disposed then; the function gives its elements. `check` sees them as soon as they
   * are there, in the order of the calls, and may throw: whoever asked for a number gets that error.
   */
  later(tensor: Tensor, check?: (values: Float32Array) => void): () => Float32Array
}

interface Waiting {
  readonly tensor: Tensor
  readonly check: (values: Float32Array) => void
  values: Float32Array | null
}

/**
 * A queue that reads all tensors that wait in one transfer, when the first number is asked for. Tensors that nobody
 * asked for are freed when it is disposed.
 */
export function createReadback(): Readback {
  let queue: Waiting[] = []
  const readAll = (): void => {
    const entries = queue
    queue = []
    try {
      const arrays = readTogether(entries.map(({ tensor }) => tensor))
      for (const [i, entry] of entries.entries()) entry.values = numbersOf(entry.tensor.dtype, arrays[i])
    } finally {
      for (const { tensor } of entries) tensor.dispose()
    }
    for (const { check, values } of entries) if (values) check(values)
  }
  return {
    later(tensor, check = () => {}) {
      const entry: Waiting = { tensor: tensor.alias(), check, values: null }
      queue.push(entry)
      return () => {
        if (!entry.values) readAll()
        return entry.values ?? new Float32Array()
      }
    },
    [Symbol.dispose]() {
      for (const { tensor } of queue) tensor.dispose()
      queue = []
    },
  }
}

/** The elements of small tensors of one device; where the host cannot look, they are put side by side and read once. */
function readTogether(tensors: readonly Tensor[]): HostArray[] {
  const [{ device }] = tensors
  const { copy, read } = device
  const isOneCopy = tensors.every((tensor) => tensor.device === device && !tensor.storage.host)
  if (!copy || !read || !isOneCopy) return tensors.map(elementsOf)
  const starts: number[] = []
  let total = 0
  for (const { bytes } of tensors) {
    starts.push(total)
    total += Math.ceil(bytes / ALIGNMENT) * ALIGNMENT
  }
  using packed = empty([total], { dtype: 'u8', device })
  for (const [i, { address, bytes }] of tensors.entries()) copy(packed.address + starts[i], address, bytes)
  const { buffer, byteOffset } = read(packed.address, total)
  return tensors.map(({ dtype, size }, i) => new DTYPES[dtype].array(buffer, byteOffset + starts[i], size))
}

const ALIGNMENT = 8

function elementsOf(tensor: Tensor): HostArray {
  return tensor.storage.host ? tensor.host().slice() : tensor.toArray()
}
