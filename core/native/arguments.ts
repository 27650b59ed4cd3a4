/**
 * The last look at the numbers of a native call: C would cut 2³² down to 0 and NaN to anything. Ops check what they mean
 * earlier and better; this is what no forgotten check gets past.
 */
import { TrituneError } from '../errors.ts'
import { showKind } from '../tensor/expect.ts'
import type { FfiFunction, FfiType } from './ffi.ts'

type Fits = (value: unknown) => boolean

const isCount: Fits = (value) => Number.isSafeInteger(value) && Number(value) >= 0

const FITS: { readonly [T in FfiType]: Fits } = {
  i32: (value) => Number.isInteger(value) && value === (Number(value) | 0),
  f32: (value) => typeof value === 'number',
  f64: (value) => typeof value === 'number',
  ptr: isCount,
  size: isCount,
  buf: (value) => value === null || ArrayBuffer.isView(value),
  cstr: () => false,
}

const NAMES: { readonly [T in FfiType]: string } = {
  i32: 'a whole number of 32 bits',
  f32: 'a number',
  f64: 'a number',
  ptr: 'an address',
  size: 'a size',
  buf: 'a typed array or null',
  cstr: 'nothing',
}

/** Throws E_SHAPE where an argument is not what the ABI takes at its place. */
export function expectArguments(name: string, { args }: FfiFunction, values: readonly unknown[]): void {
  for (let i = 0; i < args.length; i++) {
    if (FITS[args[i]](values[i])) continue
    throw new TrituneError(
      'E_SHAPE',
      `${name}: argument ${i + 1} is ${showKind(values[i])}, must be ${NAMES[args[i]]}`,
    )
  }
}
