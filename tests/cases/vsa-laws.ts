/**
 * The laws of the algebra on bit planes, for random vectors on any device: every result is compared with plain loops over trits, plane by plane, so devices
 * that pass agree bit for bit.
 */
import { expect } from 'bun:test'
import {
  createRandom,
  type Device,
  noGrad,
  referenceDevice,
  slice,
  type Tensor,
  tensor,
  tensorScope,
  useDevice,
  vsaBind,
  vsaBundle,
  vsaPack,
  vsaPermute,
  vsaProduct,
  vsaSimilarity,
  vsaUnbind,
  vsaUnpack,
  vsaWords,
} from '../../core/mod.ts'

/** 1 to 100,003, around the borders of words and vectors. */
export const LAW_DIMS: readonly number[] = [
  1, 2, 31, 32, 33, 255, 511, 513, 1000, 4097, 8192, 10_007, 100_003,
]

type Trits = Int8Array
type Random = ReturnType<typeof createRandom>

/** `rows` vectors of which about `density` is not 0. */
function randomTrits(random: Random, rows: number, dims: number, density: number): Trits {
  return Int8Array.from({ length: rows * dims }, () =>
    random.float() < density ? (random.float() < 0.5 ? -1 : 1) : 0,
  )
}

/** The planes that stand for trits: what is past the dimensions is 0. */
export function planesOf(trits: Trits, dims: number): Int32Array {
  const words = vsaWords(dims)
  const planes = new Int32Array((trits.length / dims) * 2 * words)
  for (const [i, trit] of trits.entries()) {
    const [row, d] = [Math.floor(i / dims), i % dims]
    if (trit !== 0) planes[(2 * row + Number(trit < 0)) * words + (d >> 5)] |= 1 << (d & 31)
  }
  return planes
}

const balanced = (x: number): number => x - 3 * Math.round(x / 3)
const negated = (trits: Trits): Trits => trits.map((trit) => -trit)

/** Not toEqual(): that takes seconds for a hundred thousand numbers. */
function expectSame(got: ArrayLike<number>, wanted: ArrayLike<number>): void {
  expect(got.length).toBe(wanted.length)
  for (let i = 0; i < got.length; i++) if (got[i] !== wanted[i]) expect([i, got[i]]).toEqual([i, wanted[i]])
}

/** Throws where a law does not hold. */
export function expectVsaLaws(device: Device, dims: number, seed: number): void {
  using _device = useDevice(device)
  using _scope = tensorScope()
  noGrad(() => {
    const random = createRandom(seed, `vsa laws ${dims}`)
    const rows = 1 + Math.floor(random.float() * 4)
    const density = [0.02, 0.5, 2 / 3, 1][Math.floor(random.float() * 4)]
    const [a, b] = [randomTrits(random, rows, dims, density), randomTrits(random, rows, dims, 2 / 3)]
    const packed = (trits: Trits): Tensor =>
      vsaPack(tensor(trits, { shape: [trits.length / dims, dims], dtype: 'i8', device }))
    const tritsOf = (planes: Tensor): Trits => Int8Array.from(vsaUnpack(planes, options).toArray())
    const scores = (p: Tensor, q: Tensor, metric: 'dot' | 'hamming' = 'dot'): Int32Array =>
      Int32Array.from(vsaSimilarity(p, q, { dims, metric }).toArray())
    /** Planes first: unpacking would not see a bit past the end. */
    const expectTrits = (planes: Tensor, wanted: Trits): void => {
      expectSame(planes.to(referenceDevice).host(), planesOf(wanted, dims))
      expectSame(tritsOf(planes), wanted)
    }
    const options = { dims }
    const [x, y] = [packed(a), packed(b)]
    expectTrits(x, a)

    expectTrits(
      vsaProduct(x, y, options),
      a.map((trit, i) => trit * b[i]),
    )
    expectTrits(
      vsaBind(x, y, options),
      a.map((trit, i) => balanced(trit - b[i])),
    )
    expectTrits(vsaUnbind(vsaBind(x, y, options), y, options), a)
    expectTrits(vsaBind(x, vsaBind(x, y, options), options), b)
    expectTrits(vsaUnbind(y, x, options), tritsOf(vsaUnbind(x, y, options)))
    const first = slice(y, { end: 1 })
    expectTrits(
      vsaBind(x, first, options),
      a.map((trit, i) => balanced(trit - b[i % dims])),
    )
    expectTrits(
      vsaProduct(vsaProduct(x, y, options), y, options),
      a.map((trit, i) => (b[i] === 0 ? 0 : trit)),
    )
    const zero = packed(new Int8Array(dims))
    expectTrits(vsaBind(packed(new Int8Array(a.length)), x, options), negated(a))

    const compared = (p: Trits, q: Trits, compare: (s: number, t: number) => number): Int32Array =>
      Int32Array.from({ length: rows * (q.length / dims) }, (_, pair) => {
        const [i, j] = [Math.floor(pair / (q.length / dims)) * dims, (pair % (q.length / dims)) * dims]
        let sum = 0
        for (let d = 0; d < dims; d++) sum += compare(p[i + d], q[j + d])
        return sum
      })
    const dots = scores(x, y)
    const distances = scores(x, y, 'hamming')
    expect(dots).toEqual(compared(a, b, (s, t) => s * t))
    expect(distances).toEqual(compared(a, b, (s, t) => Number(s !== t)))
    expect(scores(packed(negated(a)), y)).toEqual(dots.map((dot) => 0 - dot))
    const counts = scores(x, zero, 'hamming')
    const own = scores(x, x)
    for (let row = 0; row < rows; row++) expect(counts[row]).toBe(own[row * rows + row])

    const shift = Math.floor((random.float() - 0.5) * 4 * dims)
    const [turned, other] = [vsaPermute(x, { dims, shift }), vsaPermute(y, { dims, shift })]
    const from = (d: number): number => (((d - shift) % dims) + dims) % dims
    expectTrits(
      turned,
      a.map((_, i) => a[Math.floor(i / dims) * dims + from(i % dims)]),
    )
    expect(scores(turned, other)).toEqual(dots)
    expect(scores(turned, other, 'hamming')).toEqual(distances)
    expectTrits(vsaPermute(turned, { dims, shift: -shift }), a)
    expectTrits(vsaPermute(x, { dims, shift: dims }), a)

    const bundled = (trits: Trits, weightOf: (row: number) => number): Trits =>
      Int8Array.from({ length: dims }, (_, d) => {
        let sum = 0
        for (let row = 0; row < trits.length / dims; row++)
          sum = Math.fround(sum + trits[row * dims + d] * weightOf(row))
        return Math.sign(sum)
      })
    const count = 1 + Math.floor(random.float() * 17)
    const many = randomTrits(random, count, dims, 2 / 3)
    const z = packed(many)
    const weigh = (values: Float32Array): Tensor =>
      vsaBundle(z, { dims, weights: tensor(values, { device }) })
    const weights = Float32Array.from({ length: count }, () => random.float() - 0.3)
    const plain = bundled(many, () => 1)
    expectTrits(vsaBundle(z, options), plain)
    expectTrits(
      weigh(weights),
      bundled(many, (row) => weights[row]),
    )
    expectTrits(weigh(new Float32Array(count).fill(1)), plain)
    expectTrits(weigh(new Float32Array(count).fill(-0.25)), negated(plain))
    expectTrits(vsaBundle(z, { dims, count: 1 }), many)

    if (dims < 1000) return
    // Of vectors that are not alike, and of a bundle with its parts.
    const three = randomTrits(random, 3, dims, 2 / 3)
    const parts = packed(three)
    const most = 4 * Math.sqrt(dims)
    const bound = vsaBind(parts, packed(randomTrits(random, 1, dims, 2 / 3)), options)
    for (let row = 0; row < 3; row++) {
      const one = slice(parts, { start: row, end: row + 1 })
      const cosine = (q: Tensor): number => scores(one, q)[0] / dims
      expect(Math.abs(cosine(slice(bound, { start: row, end: row + 1 })) * dims)).toBeLessThan(most)
      expect(cosine(vsaBundle(parts, options)) * dims).toBeGreaterThan(most)
    }
  })
}
