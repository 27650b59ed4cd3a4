/**
 * One call on both libraries: the CPU's and the emulated CUDA one, on the same bytes. For tests of single kernels.
 *
 * Device arrays lie between margins that must stay as they were, `shift` elements behind a 64-byte boundary.
 */
import { expect } from 'bun:test'
import { bf16ToNumber, numberToBf16 } from '../../core/tensor/dtype.ts'
import type { CheckedFunctions } from '../../core/native/library.ts'
import { SYMBOLS } from '../../core/native/symbols.ts'
import { type Argument, run as runOnCpu } from '../native/_header.ts'
import { randomNumbers } from '../native/_matrix.ts'
import { cudaLibrary } from './_device.ts'

export type Bits =
  | Float32Array<ArrayBuffer>
  | Float64Array<ArrayBuffer>
  | Int32Array<ArrayBuffer>
  | Uint16Array<ArrayBuffer>
  | Uint8Array<ArrayBuffer>
  | Int8Array<ArrayBuffer>

/** An array that a function reads or writes. */
export interface Operand {
  readonly bits: Bits
  readonly dtype: number
  readonly shift: number
}

export const F32 = 0
export const BF16 = 1
const MARGIN = 64
const MARK = 0xa5

export function bitsOf(values: ArrayLike<number>, dtype: number): Bits {
  return dtype === BF16 ? Uint16Array.from(values, numberToBf16) : Float32Array.from(values)
}

/** Numbers as an operand of f32 or bf16. */
export function operand(values: ArrayLike<number>, dtype: number = F32, shift = 0): Operand {
  return { bits: bitsOf(values, dtype), dtype, shift }
}

/** Seeded numbers in −1 … 1. */
export function random(n: number, seed: number, dtype: number = F32, shift = 0): Operand {
  return operand(randomNumbers(n, seed), dtype, shift)
}

/** Any other array: i32, u8, f64 … */
export function raw(bits: Bits, shift = 0): Operand {
  return { bits, dtype: F32, shift }
}

export function numbersOf({ bits, dtype }: Operand): Float64Array {
  return dtype === BF16 && bits instanceof Uint16Array
    ? Float64Array.from(bits, bf16ToNumber)
    : Float64Array.from(bits)
}

type TwinArgument = number | Operand | BigInt64Array<ArrayBuffer> | Uint32Array<ArrayBuffer> | null

function isOperand(argument: TwinArgument): argument is Operand {
  return typeof argument === 'object' && argument !== null && 'bits' in argument
}

/** Runs a function of the emulated library; gives each operand as it is afterwards. The stream is left out. */
export function onCuda(name: keyof CheckedFunctions, ...given: readonly TwinArgument[]): Operand[] {
  const { call } = cudaLibrary()
  const out = new BigInt64Array(1)
  const arrays: {
    readonly start: number
    readonly bytes: Uint8Array<ArrayBuffer>
    readonly from: Operand
  }[] = []
  const args = given.map((argument, i) => {
    if (!isOperand(argument)) return SYMBOLS[name].args[i] === 'buf' ? argument : (argument ?? 0)
    const { bits, shift } = argument
    const { BYTES_PER_ELEMENT, byteLength } = bits
    call.tt_alloc(out, byteLength + 2 * MARGIN + shift * BYTES_PER_ELEMENT)
    const start = Number(out[0]) + shift * BYTES_PER_ELEMENT
    const bytes = new Uint8Array(byteLength + 2 * MARGIN).fill(MARK)
    bytes.set(new Uint8Array(bits.buffer, bits.byteOffset, byteLength), MARGIN)
    call.tt_upload(start, bytes, bytes.length, 0)
    arrays.push({ start, bytes, from: argument })
    return start + MARGIN
  })
  try {
    Reflect.apply(call[name], undefined, [...args, 0])
    call.tt_synchronize(0)
    return arrays.map(({ start, bytes, from }) => {
      call.tt_download(bytes, start, bytes.length, 0)
      const inside = bytes.slice(MARGIN, bytes.length - MARGIN)
      const margins = [...bytes.subarray(0, MARGIN), ...bytes.subarray(bytes.length - MARGIN)]
      expect(margins.every((byte) => byte === MARK)).toBe(true)
      return { ...from, bits: likeBits(from.bits, inside.buffer) }
    })
  } finally {
    for (const { start, from } of arrays) call.tt_free(start - from.shift * from.bits.BYTES_PER_ELEMENT)
  }
}

/** The same on the CPU library. */
export function onCpu(name: keyof CheckedFunctions, ...given: readonly TwinArgument[]): Operand[] {
  const operands: Operand[] = []
  const args: Argument[] = given.map((argument) => {
    if (!isOperand(argument)) return argument
    const copy = { ...argument, bits: argument.bits.slice() }
    operands.push(copy)
    return copy.bits
  })
  runOnCpu(name, ...args)
  return operands
}

export interface Allowed {
  /** Of the largest number of the array. */
  readonly f32?: number
  readonly bf16?: number
}

/** Every operand after the call is the same on both, up to rounding; integers exactly. Gives those of CUDA. */
export function expectTwins(
  name: keyof CheckedFunctions,
  given: readonly TwinArgument[],
  { f32 = 2e-6, bf16 = 2 ** -7 }: Allowed = {},
): Operand[] {
  const got = onCuda(name, ...given)
  const expected = onCpu(name, ...given)
  for (const [index, operand] of got.entries()) {
    const exact = !(operand.bits instanceof Float32Array || operand.dtype === BF16)
    const allowed = exact ? 0 : operand.dtype === BF16 ? bf16 : f32
    expectClose(`${name}, operand ${index}`, numbersOf(operand), numbersOf(expected[index]), allowed)
  }
  return got
}

export function expectClose(what: string, got: Float64Array, expected: Float64Array, allowed: number): void {
  let largest = 0
  for (const value of expected) if (Number.isFinite(value)) largest = Math.max(largest, Math.abs(value))
  for (const [i, value] of expected.entries()) {
    const same = Object.is(got[i], value) || got[i] === value || Math.abs(got[i] - value) <= allowed * largest
    if (!same) throw new Error(`${what}[${i}] of ${got.length}: got ${got[i]}, expected ${value}`)
  }
}

/** What a call says when it is refused, on both libraries. */
export function refusals(name: keyof CheckedFunctions, ...given: readonly TwinArgument[]): [string, string] {
  const message = (f: () => unknown): string => {
    try {
      f()
    } catch (error) {
      return String(error)
        .replace(/^.*?(?=tt_)/, '')
        .replace(/^\w+ returned -\d+: /, '')
    }
    return ''
  }
  return [message(() => onCuda(name, ...given)), message(() => onCpu(name, ...given))]
}

function likeBits(like: Bits, buffer: ArrayBuffer): Bits {
  if (like instanceof Float32Array) return new Float32Array(buffer)
  if (like instanceof Float64Array) return new Float64Array(buffer)
  if (like instanceof Int32Array) return new Int32Array(buffer)
  if (like instanceof Uint16Array) return new Uint16Array(buffer)
  if (like instanceof Int8Array) return new Int8Array(buffer)
  return new Uint8Array(buffer)
}
