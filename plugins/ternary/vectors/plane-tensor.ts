/**
 * Bit planes in the memory of a device: tensors i32 (rows, 2, words) as the `vsa` ops take them, from words of the host and back.
 */
import { empty, type Device, type Tensor } from '../../../core/mod.ts'
import { setTensorBytes, tensorBytes } from '../../../core/tensor/tensor-bytes.ts'
import { packed } from './packed-trits.ts'
import { wordsOf } from './planes.ts'
import type { PackedTritVec } from './trit-vec.ts'

/** Words of whole rows → a tensor on the device, the default one unless named. */
export function planesTensor(words: Uint32Array, dims: number, device?: Device): Tensor {
  const width = 2 * wordsOf(dims)
  const options = device === undefined ? {} : { device }
  const made = empty([words.length / width, 2, width / 2], { dtype: 'i32', ...options })
  try {
    setTensorBytes(made, new Uint8Array(words.buffer, words.byteOffset, words.byteLength))
    return made
  } catch (error) {
    made.dispose()
    throw error
  }
}

/** The words of a tensor, copied. */
export function wordsOfTensor(planes: Tensor): Uint32Array<ArrayBuffer> {
  const bytes = new Uint8Array(planes.bytes)
  let at = 0
  for (const piece of tensorBytes(planes)) {
    bytes.set(piece, at)
    at += piece.length
  }
  return new Uint32Array(bytes.buffer)
}

/** The elements of an i32 tensor, copied; f32, which toArray() gives, has not all of them. */
export function intsOfTensor(values: Tensor): Int32Array<ArrayBuffer> {
  return new Int32Array(wordsOfTensor(values).buffer)
}

/** Vectors one after the other, plus before minus. */
export function joinedWords(vectors: readonly PackedTritVec[], dims: number): Uint32Array<ArrayBuffer> {
  const width = wordsOf(dims)
  const words = new Uint32Array(vectors.length * 2 * width)
  for (const [row, { plus, minus }] of vectors.entries()) {
    words.set(plus, 2 * row * width)
    words.set(minus, (2 * row + 1) * width)
  }
  return words
}

/** Row `row` of words, without a copy. */
export function vectorAt(words: Uint32Array, row: number, dims: number): PackedTritVec {
  const width = wordsOf(dims)
  const at = 2 * row * width
  return packed(dims, words.subarray(at, at + width), words.subarray(at + width, at + 2 * width))
}
