/**
 * Trit vectors as two BigInts: how one would write it in JavaScript without typed arrays. A peer of the benchmark, for nothing else.
 */
import { packedTrits, type PackedTritVec } from '../../../plugins/ternary/mod.ts'

export interface BigTrits {
  readonly plus: bigint
  readonly minus: bigint
}

export function bigTrits({ plus, minus }: PackedTritVec): BigTrits {
  return { plus: planeOf(plus), minus: planeOf(minus) }
}

/** The formulas of `packedTrits` without the complement, which a BigInt has no width for. */
export function bindBig(a: BigTrits, b: BigTrits): BigTrits {
  const [anyA, anyB] = [a.plus | a.minus, b.plus | b.minus]
  return {
    plus: (a.plus & ~anyB) | (b.minus & ~anyA) | (a.minus & b.plus),
    minus: (a.minus & ~anyB) | (b.plus & ~anyA) | (a.plus & b.minus),
  }
}

export function unbindBig(x: BigTrits, b: BigTrits): BigTrits {
  return bindBig(x, { plus: b.minus, minus: b.plus })
}

export function bundleBig(vectors: readonly BigTrits[]): BigTrits {
  // Counters with one BigInt a digit, as in `packedTrits.bundle`.
  const [more, less]: [bigint[], bigint[]] = [[], []]
  for (const { plus, minus } of vectors) {
    countUp(more, plus)
    countUp(less, minus)
  }
  let [plus, minus] = [0n, 0n]
  for (let digit = Math.max(more.length, less.length) - 1; digit >= 0; digit--) {
    const [p, n] = [more[digit] ?? 0n, less[digit] ?? 0n]
    const decided = plus | minus
    plus |= p & ~n & ~decided
    minus |= n & ~p & ~decided
  }
  return { plus, minus }
}

export function dotBig(a: BigTrits, b: BigTrits): number {
  return ones((a.plus & b.plus) | (a.minus & b.minus)) - ones((a.plus & b.minus) | (a.minus & b.plus))
}

/** The same vector again, to see that the peer is right. */
export function sameTrits({ plus, minus }: BigTrits, vector: PackedTritVec): boolean {
  const { plus: p, minus: m } = bigTrits(packedTrits.from(vector))
  return plus === p && minus === m
}

function countUp(digits: bigint[], bits: bigint): void {
  for (let [digit, carry] = [0, bits]; carry !== 0n; digit++) {
    const before = digits[digit] ?? 0n
    digits[digit] = before ^ carry
    carry &= before
  }
}

/** By the hexadecimal digits: shifting a BigInt copies it. */
function ones(bits: bigint): number {
  let count = 0
  for (const digit of bits.toString(16)) count += ONES[digit]
  return count
}

const ONES: Readonly<Record<string, number>> = Object.fromEntries(
  Array.from({ length: 16 }, (_, i) => [i.toString(16), i.toString(2).replaceAll('0', '').length]),
)

function planeOf(words: Uint32Array): bigint {
  const hex = Array.from(words, (word) => word.toString(16).padStart(8, '0'))
  return BigInt(`0x${hex.toReversed().join('')}`)
}
