/**
 * How tensors are compared in the suites: to the bit, or as a share of the largest number.
 */
import type { Tensor } from '../core/mod.ts'
import { tensorBytes } from '../core/tensor/tensor-bytes.ts'
import { Broken, expectKept } from './check.ts'

/** The bytes of a tensor on whatever device. */
export function bytesOf(tensor: Tensor): Uint8Array {
  const all = new Uint8Array(tensor.bytes)
  let at = 0
  for (const piece of tensorBytes(tensor)) {
    all.set(piece, at)
    at += piece.length
  }
  return all
}

export type Named<T> = ReadonlyMap<string, T>

/** A copy of some tensors, as bytes. */
export function snapshot(tensors: Named<Tensor>): Map<string, Uint8Array> {
  return new Map([...tensors].map(([name, tensor]) => [name, bytesOf(tensor)]))
}

/** Throws unless both have the same names and the same bytes. */
export function expectSameBits(
  what: string,
  got: Named<Uint8Array>,
  expected: Named<Uint8Array>,
  lookAt: string,
): void {
  const [names, wanted] = [[...got.keys()].join(', '), [...expected.keys()].join(', ')]
  expectKept(names === wanted, () => ({ expected: `${what}: ${wanted}`, got: names || 'nothing', lookAt }))
  for (const [name, bytes] of expected) {
    const other = got.get(name) ?? new Uint8Array()
    const at = bytes.length === other.length ? bytes.findIndex((byte, i) => byte !== other[i]) : 0
    expectKept(at < 0 || bytes.length === 0, () => ({
      expected: `${what}: the same bits in ${name}`,
      got:
        bytes.length === other.length
          ? `other bits from byte ${at} of ${bytes.length}`
          : `${other.length} bytes instead of ${bytes.length}`,
      lookAt,
    }))
  }
}

/** max |a − b| / max |b|; Infinity when the lengths differ or something is not a number. */
export function relativeDifference(got: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (got.length !== expected.length) return Infinity
  let largest = 0
  let difference = 0
  for (let i = 0; i < expected.length; i++) {
    largest = Math.max(largest, Math.abs(expected[i]))
    const here = Math.abs(got[i] - expected[i])
    if (!(here <= difference)) difference = Number.isNaN(here) ? Infinity : here
  }
  return difference === 0 ? 0 : difference / largest
}

/** Throws when a number is further off than `tolerance`, as a share of the largest one. */
export function expectClose(
  what: string,
  got: ArrayLike<number>,
  expected: ArrayLike<number>,
  { tolerance, lookAt }: { readonly tolerance: number; readonly lookAt: string },
): void {
  const error = relativeDifference(got, expected)
  if (error <= tolerance) return
  const at = worstOf(got, expected)
  throw new Broken({
    expected: `${what}, within ${tolerance} of the largest number`,
    got:
      got.length === expected.length
        ? `${error.toPrecision(3)} off, most at [${at}]: ${got[at]} instead of ${expected[at]}`
        : `${got.length} numbers instead of ${expected.length}`,
    lookAt,
  })
}

function worstOf(got: ArrayLike<number>, expected: ArrayLike<number>): number {
  let [worst, at] = [-1, 0]
  for (let i = 0; i < expected.length; i++) {
    const here = Math.abs(got[i] - expected[i])
    if (Number.isNaN(here)) return i
    if (here > worst) [worst, at] = [here, i]
  }
  return at
}
