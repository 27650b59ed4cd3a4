/**
 * Random numbers that depend on nothing but (seed, stream, position): Philox4x32-10, a counter-based generator.
 *
 * Salmon, Moraes, Dror, Shaw: "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011. Not for cryptography. The same
 * arguments give the same bits on every machine; `normal()` goes through Math.log and Math.cos and may differ in its
 * last bit between JavaScript engines.
 */

import { expectInteger } from './expect.ts'

/** Key of Philox4x32: two u32. */
export type PhiloxKey = readonly [number, number]

/** Counter of Philox4x32: four u32. */
export type PhiloxCounter = readonly [number, number, number, number]

/** Ten rounds over `counter` under `key` (all u32) → four u32, in `into`, which saves making an array for every four. */
export function philox4x32(
  key: PhiloxKey,
  counter: PhiloxCounter,
  into: Uint32Array<ArrayBuffer> = new Uint32Array(4),
): Uint32Array<ArrayBuffer> {
  let [k0, k1] = key
  let [c0, c1, c2, c3] = counter
  for (let round = 0; round < 10; round++) {
    const high0 = multiplyHigh(0xd2511f53, c0)
    const low0 = Math.imul(0xd2511f53, c0)
    const high1 = multiplyHigh(0xcd9e8d57, c2)
    const low1 = Math.imul(0xcd9e8d57, c2)
    c0 = high1 ^ c1 ^ k0
    c1 = low1
    c2 = high0 ^ c3 ^ k1
    c3 = low0
    k0 = (k0 + 0x9e3779b9) | 0
    k1 = (k1 + 0xbb67ae85) | 0
  }
  into[0] = c0
  into[1] = c1
  into[2] = c2
  into[3] = c3
  return into
}

/** A stream of random numbers that the seed and the stream decide, the same on every machine. Not for cryptography. */
export interface Random {
  /** 0 … 2³² − 1. */
  uint32(): number
  /** 0 ≤ x < 1, a multiple of 2⁻²⁴ (exact in f32). */
  float(): number
  /** Mean 0, variance 1 (Box–Muller). */
  normal(): number
  /** 0 … n − 1, every value equally likely; 1 ≤ n ≤ 2³². */
  int(n: number): number
  /** Fisher–Yates, in place; returns its argument. */
  shuffle<T extends unknown[] | Int32Array | Uint32Array>(items: T): T
}

/**
 * A sequence of its own for every (seed, stream); a stream is a number or a name such as `shuffle/epoch 3`.
 * `seed` is an integer from 0 to 2⁵³ − 1.
 *
 * @example
 * ```ts
 * import { createRandom } from 'tritune/core'
 *
 * const draw = (): number[] => {
 *   const random = createRandom(42, 'shuffle')
 *   return [random.int(100), random.int(100)]
 * }
 * console.log(draw().join() === draw().join()) // → true
 * ```
 */
export function createRandom(seed: number, stream: number | string = 0): Random {
  expectInteger('createRandom', 'seed', seed, { max: Number.MAX_SAFE_INTEGER })
  const key: PhiloxKey = [seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0]
  const [stream0, stream1] = streamWords(stream)
  let block = 0
  const words = new Uint32Array(4)
  let used = words.length
  let spare: number | undefined

  function uint32(): number {
    if (used === words.length) {
      philox4x32(key, [block >>> 0, Math.floor(block / 2 ** 32), stream0, stream1], words)
      block++
      used = 0
    }
    return words[used++]
  }

  function int(n: number): number {
    expectInteger('int', 'n', n, { min: 1, max: 2 ** 32 })
    // Rejecting the values above the last whole multiple of n removes the bias of the remainder.
    const limit = 2 ** 32 - (2 ** 32 % n)
    let value = uint32()
    while (value >= limit) value = uint32()
    return value % n
  }

  return {
    uint32,
    int,
    float: () => (uint32() >>> 8) * 2 ** -24,
    normal() {
      if (spare !== undefined) {
        const value = spare
        spare = undefined
        return value
      }
      const radius = Math.sqrt(-2 * Math.log((uint32() + 1) * 2 ** -32))
      const angle = 2 * Math.PI * (uint32() * 2 ** -32)
      spare = radius * Math.sin(angle)
      return radius * Math.cos(angle)
    },
    shuffle(items) {
      for (let i = items.length - 1; i > 0; i--) {
        const j = int(i + 1)
        const item = items[i]
        items[i] = items[j]
        items[j] = item
      }
      return items
    },
  }
}

/** High 32 bits of the product of two u32. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff
  const aHigh = a >>> 16
  const bLow = b & 0xffff
  const bHigh = b >>> 16
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16)
  const cross = aLow * bHigh + (middle & 0xffff)
  return (aHigh * bHigh + Math.floor(middle / 65536) + Math.floor(cross / 65536)) | 0
}

/** A number as two words; a name through 64-bit FNV-1a, so that names do not meet by accident. */
function streamWords(stream: number | string): [number, number] {
  if (typeof stream === 'number') return [stream >>> 0, Math.floor(stream / 2 ** 32) >>> 0]
  let hash = 0xcbf29ce484222325n
  for (const byte of new TextEncoder().encode(stream)) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n)
  }
  return [Number(hash & 0xffffffffn), Number(hash >> 32n)]
}
