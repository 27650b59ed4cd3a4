/**
 * Trits of a block five to a byte, as `tritCodecs.base3` has them, with their scale in the same pass.
 */
import { tritCodecs } from '../../ternary/mod.ts'

/** sign(v) where |v| > `least`, into bytes from `at` on. Returns ⟨v, t⟩ / ‖t‖², the mean magnitude of those; 0 where there are none. */
export function packNearest(seen: Float64Array, least: number, into: Uint8Array, at: number): number {
  let kept = 0
  let count = 0
  let byte = at
  let i = 0
  // Without branches: of numbers that are noise none would be foreseen.
  for (; i + TRITS <= seen.length; i += TRITS) {
    const a = seen[i]
    const b = seen[i + 1]
    const c = seen[i + 2]
    const d = seen[i + 3]
    const e = seen[i + 4]
    const ta = Number(a > least) - Number(a < -least)
    const tb = Number(b > least) - Number(b < -least)
    const tc = Number(c > least) - Number(c < -least)
    const td = Number(d > least) - Number(d < -least)
    const te = Number(e > least) - Number(e < -least)
    kept += ta * a
    kept += tb * b
    kept += tc * c
    kept += td * d
    kept += te * e
    count += ta * ta + tb * tb + tc * tc + td * td + te * te
    into[byte++] = ZEROS + ta + 3 * tb + 9 * tc + 27 * td + 81 * te
  }
  // What is left of the last byte is 0, not a trit of 0.
  let value = 0
  for (let digit = 1; i < seen.length; i++, digit *= 3) {
    const trit = Number(seen[i] > least) - Number(seen[i] < -least)
    kept += trit * seen[i]
    count += trit * trit
    value += (trit + 1) * digit
  }
  if (seen.length % TRITS !== 0) into[byte] = value
  return count === 0 ? 0 : kept / count
}

/** Trits that are known, into bytes from `at` on. */
export function packTrits(trits: Int8Array, into: Uint8Array, at: number): void {
  into.set(tritCodecs.base3.encode(trits, { rows: 1, cols: trits.length }), at)
}

/** `count` trits from byte `at` on, times a scale, to x[start] and what follows. Throws E_FORMAT for a byte that holds no trits. */
export function readTrits(
  from: Uint8Array,
  at: number,
  scale: number,
  x: Float32Array,
  { start, count }: { readonly start: number; readonly count: number },
): void {
  const whole = Math.floor(count / TRITS)
  const end = start + count
  let i = start
  for (let byte = at; byte < at + whole; byte++, i += TRITS) {
    if (from[byte] >= VALUES) expectTrits(from, at, count)
    const row = TRITS * from[byte]
    x[i] = TRITS_OF[row] * scale
    x[i + 1] = TRITS_OF[row + 1] * scale
    x[i + 2] = TRITS_OF[row + 2] * scale
    x[i + 3] = TRITS_OF[row + 3] * scale
    x[i + 4] = TRITS_OF[row + 4] * scale
  }
  if (i === end) return
  if (from[at + whole] >= 3 ** (end - i)) expectTrits(from, at, count)
  for (let row = TRITS * from[at + whole]; i < end; i++, row++) x[i] = TRITS_OF[row] * scale
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Digits trit + 1 to base 3 in a byte; a byte of zeros, and how many bytes there are. */
const TRITS = 5
const ZEROS = 121
const VALUES = 3 ** TRITS

/** The trits of each byte; as f64, so that they are multiplied as they are. */
const TRITS_OF = Float64Array.from(
  { length: VALUES * TRITS },
  (_, i) => (Math.floor(Math.floor(i / TRITS) / 3 ** (i % TRITS)) % 3) - 1,
)

/** Throws E_FORMAT, naming byte and digit. */
function expectTrits(from: Uint8Array, at: number, count: number): void {
  tritCodecs.base3.decode(from.subarray(at, at + Math.ceil(count / TRITS)), { rows: 1, cols: count })
}
