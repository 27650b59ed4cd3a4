/**
 * Numbers of a range as vectors that are the more alike the nearer the numbers are (level hypervectors, Rahimi et al. 2016). The
 * similarity falls on a line from 1 to that of the two ends: near 0 for `level`, −1 for `thermometer`.
 */
import { createRandom, TrituneError } from '../../../core/mod.ts'
import { expectInteger, expectKnown, expectNumber } from '../../../core/tensor/expect.ts'
import { packedTrits } from '../vectors/packed-trits.ts'
import { expectDims, type PackedTritVec } from '../vectors/trit-vec.ts'

/** What an encoder of numbers is made of. */
export interface LevelEncoderOptions {
  readonly dims: number
  readonly seed: number
  readonly min: number
  readonly max: number
  /** Vectors that there are, from 2; a number takes the nearest. Default 64. */
  readonly levels?: number
  /** `level` goes from one random vector to another; `thermometer` from all −1 to all +1, from the first dimension on. */
  readonly kind?: 'level' | 'thermometer'
}

/** Gives each number of a range its vector. */
export interface LevelEncoder {
  readonly dims: number
  readonly levels: number
  /** E_VALUE for a number outside the range. */
  encode(value: number): PackedTritVec
}

const KINDS = { level: true, thermometer: true }

/**
 * Makes an encoder of the numbers from `min` to `max`.
 *
 * @example
 * ```ts
 * import { levelEncoder, packedTrits } from 'tritune/plugins/ternary'
 *
 * const { encode } = levelEncoder({ dims: 10_000, seed: 1, min: 0, max: 100, levels: 101 })
 * const near = packedTrits.cosine(encode(20), encode(25))
 * const far = packedTrits.cosine(encode(20), encode(90))
 * console.log(near > 0.9, far < 0.4) // → true true
 * ```
 */
export function levelEncoder({
  dims,
  seed,
  min,
  max,
  levels = 64,
  kind = 'level',
}: LevelEncoderOptions): LevelEncoder {
  expectDims('levelEncoder', dims)
  expectNumber('levelEncoder', 'min', min)
  expectNumber('levelEncoder', 'max', max, { min, above: true })
  expectInteger('levelEncoder', 'levels', levels, { min: 2 })
  expectKnown('levelEncoder', 'kind', kind, KINDS)
  const { from, to, order } = kind === 'level' ? randomEnds(dims, seed) : thermometerEnds(dims)
  return {
    dims,
    levels,
    encode(value) {
      if (!(value >= min && value <= max))
        throw new TrituneError('E_VALUE', `levelEncoder: ${String(value)} is not from ${min} to ${max}`)
      const level = Math.round(((value - min) / (max - min)) * (levels - 1))
      const moved = Math.round((dims * level) / (levels - 1))
      const trits = from.slice()
      for (let j = 0; j < moved; j++) trits[order[j]] = to[order[j]]
      return packedTrits.fromArray(trits)
    },
  }
}

interface Ends {
  readonly from: Int8Array
  readonly to: Int8Array
  /** In which order dimensions go from one end to the other. */
  readonly order: Uint32Array
}

function randomEnds(dims: number, seed: number): Ends {
  const end = (stream: string): Int8Array => packedTrits.toArray(packedTrits.random({ dims, seed, stream }))
  const order = createRandom(seed, 'level/order').shuffle(countUp(dims))
  return { from: end('level/min'), to: end('level/max'), order }
}

function thermometerEnds(dims: number): Ends {
  return { from: new Int8Array(dims).fill(-1), to: new Int8Array(dims).fill(1), order: countUp(dims) }
}

function countUp(dims: number): Uint32Array {
  return Uint32Array.from({ length: dims }, (_, i) => i)
}
