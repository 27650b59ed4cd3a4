/**
 * Bit planes: what the packed form is made of. Words are u32, and a tail of bits past the dimensions stays 0.
 */
import { TrituneError } from '../../../core/mod.ts'

/** Words of a plane. */
export function wordsOf(dims: number): number {
  return Math.ceil(dims / 32)
}

/** The bits of the last word that are dimensions. */
export function tailMask(dims: number): number {
  return dims % 32 === 0 ? -1 : (1 << (dims % 32)) - 1
}

/** How many bits are set. */
export function popcount(word: number): number {
  let x = word - ((word >>> 1) & 0x55555555)
  x = (x & 0x33333333) + ((x >>> 2) & 0x33333333)
  return Math.imul((x + (x >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
}

/** How many bits of a plane are set. */
export function countBits(plane: Uint32Array): number {
  let count = 0
  for (let w = 0; w < plane.length; w++) count += popcount(plane[w])
  return count
}

/** The places of the bits that are set, in ascending order. */
export function bitIndices(plane: Uint32Array): Uint32Array<ArrayBuffer> {
  const indices = new Uint32Array(countBits(plane))
  let at = 0
  for (let w = 0; w < plane.length; w++)
    for (let bits = plane[w]; bits !== 0; bits &= bits - 1)
      indices[at++] = 32 * w + (31 - Math.clz32(bits & -bits))
  return indices
}

/** Sets in `out` the bits of `plane`, moved up by `shift` (negative: down); what leaves it is lost. */
export function orShifted(out: Uint32Array, plane: Uint32Array, shift: number): void {
  const [whole, bits] = [Math.floor(shift / 32), ((shift % 32) + 32) % 32]
  for (let w = 0; w < plane.length; w++) {
    const to = w + whole
    if (to >= 0 && to < out.length) out[to] |= plane[w] << bits
    if (bits !== 0 && to + 1 >= 0 && to + 1 < out.length) out[to + 1] |= plane[w] >>> (32 - bits)
  }
}

/** Throws E_SHAPE or E_VALUE, naming the place, unless two planes are a vector. */
export function expectPlanes(subject: string, dims: number, plus: Uint32Array, minus: Uint32Array): void {
  const words = wordsOf(dims)
  if (plus.length !== words || minus.length !== words)
    throw new TrituneError(
      'E_SHAPE',
      `${subject}: ${dims} dimensions take planes of ${words} words, got ${plus.length} and ${minus.length}`,
    )
  for (let w = 0; w < words; w++) {
    const both = plus[w] & minus[w]
    if (both !== 0)
      throw new TrituneError(
        'E_VALUE',
        `${subject}: dimension ${32 * w + lowestBit(both)} is set in both planes`,
        {
          remedy: 'the bits 11 are no trit: the planes are damaged, or not those of one vector',
        },
      )
  }
  const past = (plus[words - 1] | minus[words - 1]) & ~tailMask(dims)
  if (past !== 0)
    throw new TrituneError(
      'E_VALUE',
      `${subject}: bit ${32 * (words - 1) + lowestBit(past)} is set, there are ${dims} dimensions`,
    )
}

function lowestBit(bits: number): number {
  return 31 - Math.clz32(bits & -bits)
}
