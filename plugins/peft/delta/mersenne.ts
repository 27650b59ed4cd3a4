/**
 * The random numbers of a torch CPU generator: MT19937 (Matsumoto and Nishimura 1998), as `manual_seed` and `uniform_` use it.
 */

/** Float32 numbers from `low` to `high`, one after the other as `tensor.uniform_(low, high, generator=…)` draws them. */
export function torchUniform(
  seed: number,
): (count: number, low: number, high: number) => Float32Array<ArrayBuffer> {
  const next = mersenneTwister(seed)
  return (count, low, high) => {
    const from = Math.fround(low)
    const width = Math.fround(Math.fround(high) - from)
    return Float32Array.from({ length: count }, () => {
      const unit = (next() & 0xffffff) * 2 ** -24
      return Math.fround(Math.fround(unit * width) + from)
    })
  }
}

/** u32 after u32 from `init_genrand(seed mod 2³²)`. */
export function mersenneTwister(seed: number): () => number {
  const state = new Uint32Array(SIZE)
  state[0] = Number(BigInt.asUintN(32, BigInt(seed)))
  for (let i = 1; i < SIZE; i++) {
    const before = state[i - 1] ^ (state[i - 1] >>> 30)
    state[i] = Math.imul(before, 1812433253) + i
  }
  let at = SIZE
  return () => {
    if (at === SIZE) {
      for (let i = 0; i < SIZE; i++) {
        const y = (state[i] & 0x80000000) | (state[(i + 1) % SIZE] & 0x7fffffff)
        state[i] = state[(i + 397) % SIZE] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0)
      }
      at = 0
    }
    let y = state[at++]
    y ^= y >>> 11
    y ^= (y << 7) & 0x9d2c5680
    y ^= (y << 15) & 0xefc60000
    return (y ^ (y >>> 18)) >>> 0
  }
}

const SIZE = 624
