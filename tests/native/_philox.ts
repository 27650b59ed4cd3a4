/**
 * Philox 4x32-10 written from the paper (Salmon et al., SC'11), as the tests' own definition of the dropout mask that
 * tritune.h describes.
 */
const M0 = 0xd2511f53n
const M1 = 0xcd9e8d57n
const W0 = 0x9e3779b9n
const W1 = 0xbb67ae85n
const MASK = 0xffffffffn

/** The four words of a counter under a key. */
export function philox(counter: readonly bigint[], key: readonly [bigint, bigint]): bigint[] {
  let [c0, c1, c2, c3] = counter
  let [k0, k1] = key
  for (let round = 0; round < 10; round++) {
    const p0 = M0 * c0
    const p1 = M1 * c2
    ;[c0, c1, c2, c3] = [(p1 >> 32n) ^ c1 ^ k0, p1 & MASK, (p0 >> 32n) ^ c3 ^ k1, p0 & MASK]
    k0 = (k0 + W0) & MASK
    k1 = (k1 + W1) & MASK
  }
  return [c0, c1, c2, c3]
}

/** 1/(1−p) where the mask keeps an element, 0 where it drops it. */
export function dropoutMask(rng: Uint32Array, n: number, p: number): Float64Array {
  const [seedLow, seedHigh, step, site, offsetLow, offsetHigh] = [...rng].map(BigInt)
  const offset = offsetLow + (offsetHigh << 32n)
  const threshold = Math.fround(p) * 2 ** 32
  return Float64Array.from({ length: n }, (_, i) => {
    const at = offset + BigInt(i)
    const block = at >> 2n
    const words = philox([block & MASK, block >> 32n, site, step], [seedLow, seedHigh])
    return Number(words[Number(at & 3n)]) < threshold ? 0 : 1 / (1 - Math.fround(p))
  })
}
