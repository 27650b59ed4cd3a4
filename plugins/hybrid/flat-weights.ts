/**
 * The trained weights as one row of numbers: read, and put back to the bit.
 */
import { type Parameters, type Tensor, TrituneError } from '../../core/mod.ts'
import { setTensorBytes, tensorBytes } from '../../core/tensor/tensor-bytes.ts'

/** Which part of the row a parameter is. */
export interface WeightRange {
  readonly name: string
  readonly start: number
  readonly end: number
}

/** The weights of a run as one row. */
export interface FlatWeights {
  readonly size: number
  readonly ranges: readonly WeightRange[]
  read(into: Float32Array): Float32Array
  write(from: Float32Array): void
}

/** The numbers of an f32 tensor of the host, not copied. */
export function numbersIn(tensor: Tensor): Float32Array {
  const numbers = tensor.host()
  if (numbers instanceof Float32Array) return numbers
  throw new Error(`${tensor.toString()} is not f32`)
}

/** Throws E_CONFIG for weights that are not float32, which a small move would vanish in. */
export function flatWeights(parameters: Parameters): FlatWeights {
  const ranges: WeightRange[] = []
  let size = 0
  for (const [name, { dtype, size: count }] of parameters) {
    if (dtype !== 'f32')
      throw new TrituneError('E_CONFIG', `strategy: hybrid moves weights in f32, and ${name} is ${dtype}`, {
        remedy: 'train an adapter, or set bf16: false',
      })
    ranges.push({ name, start: size, end: size + count })
    size += count
  }
  const bytesOf = (row: Float32Array, { start, end }: WeightRange): Uint8Array =>
    new Uint8Array(row.buffer, row.byteOffset + 4 * start, 4 * (end - start))
  const tensors = [...parameters.values()]
  return {
    size,
    ranges,
    read(into) {
      for (const [i, range] of ranges.entries()) {
        const target = bytesOf(into, range)
        let at = 0
        for (const piece of tensorBytes(tensors[i])) {
          target.set(piece, at)
          at += piece.length
        }
      }
      return into
    },
    write(from) {
      for (const [i, range] of ranges.entries()) setTensorBytes(tensors[i], bytesOf(from, range))
    },
  }
}
