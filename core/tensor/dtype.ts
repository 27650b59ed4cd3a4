/**
 * Element types of tensors, and the conversions between their bits and JavaScript numbers.
 *
 * The codes are part of the native ABI (`tt_dtype` in native/include/tritune.h). Packed types (nf4, ternary) are not
 * here: they are `QuantizedTensor`s made of u8 tensors.
 */

export type DType = 'f32' | 'bf16' | 'f16' | 'i32' | 'u8' | 'i8'

/** The element types that have gradients and products. f16 is for storage: ops compute in f32 and bf16. */
export type FloatDType = 'f32' | 'bf16' | 'f16'

/** A plain JavaScript array over the storage of a tensor; bf16 and f16 show their bits. */
export type HostArray = Float32Array | Uint16Array | Int32Array | Uint8Array | Int8Array

interface DTypeInfo {
  /** Value of `tt_dtype` in the native ABI. */
  readonly code: number
  readonly bytes: number
  /** Name in a safetensors header. */
  readonly safetensors: string
  readonly array: new (buffer: ArrayBufferLike, byteOffset: number, length: number) => HostArray
}

/**
 * What is to be known of each element type: its code in the native ABI, its bytes, its name in safetensors files, and
 * the array that holds its bits.
 */
export const DTYPES: { readonly [D in DType]: DTypeInfo } = {
  f32: { code: 0, bytes: 4, safetensors: 'F32', array: Float32Array },
  bf16: { code: 1, bytes: 2, safetensors: 'BF16', array: Uint16Array },
  f16: { code: 2, bytes: 2, safetensors: 'F16', array: Uint16Array },
  i32: { code: 3, bytes: 4, safetensors: 'I32', array: Int32Array },
  u8: { code: 4, bytes: 1, safetensors: 'U8', array: Uint8Array },
  i8: { code: 5, bytes: 1, safetensors: 'I8', array: Int8Array },
}

/** Whether an element type is one of f32, bf16 and f16. */
export function isFloat(dtype: DType): dtype is FloatDType {
  return dtype === 'f32' || dtype === 'bf16' || dtype === 'f16'
}

const f32 = new Float32Array(1)
const u32 = new Uint32Array(f32.buffer)

/** The number behind 16 bits of bf16; exact. */
export function bf16ToNumber(bits: number): number {
  u32[0] = bits << 16
  return f32[0]
}

/** number → bf16 bits, round to nearest even, NaN stays a quiet NaN. */
export function numberToBf16(value: number): number {
  f32[0] = value
  const bits = u32[0]
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x0040
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff
}

/** The number behind 16 bits of f16; exact. */
export function f16ToNumber(bits: number): number {
  const sign = (bits & 0x8000) << 16
  const magnitude = bits & 0x7fff
  // Below 2⁻¹⁴ the bits are a count of 2⁻²⁴.
  if (magnitude < 0x0400) return (sign === 0 ? magnitude : -magnitude) * 2 ** -24
  u32[0] =
    magnitude < 0x7c00 ? sign | ((magnitude << 13) + (112 << 23)) : sign | 0x7f800000 | (magnitude << 13)
  return f32[0]
}

/** number → f16 bits, round to nearest even, at once from the f64. `Float16Array` does the same; Node 22 has none. */
export function numberToF16(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0
  const magnitude = Math.abs(value)
  if (Number.isNaN(value)) return 0x7e00
  // Half a step above the largest number is rounded up.
  if (magnitude >= 65520) return sign | 0x7c00
  f32[0] = magnitude
  const exponent = Math.max(-14, (u32[0] >>> 23) - 127)
  const steps = magnitude / 2 ** (exponent - 10)
  const below = Math.floor(steps)
  const up = steps - below > 0.5 || (steps - below === 0.5 && below % 2 === 1)
  // A rounding that reaches the next power of two carries over into the exponent by itself.
  return sign | (below + Number(up) + ((exponent + 14) << 10))
}

/** The number that a tensor of this dtype keeps of a number. */
export function rounded(dtype: DType, value: number): number {
  if (dtype === 'f32') return Math.fround(value)
  if (dtype === 'bf16') return bf16ToNumber(numberToBf16(value))
  return dtype === 'f16' ? f16ToNumber(numberToF16(value)) : value
}

/** Reads element `index` of a host array as a number. */
export function readElement(dtype: DType, array: HostArray, index: number): number {
  if (dtype === 'bf16') return bf16ToNumber(array[index])
  if (dtype === 'f16') return f16ToNumber(array[index])
  return array[index]
}

/** A copy of a host array as numbers. */
export function numbersOf(dtype: DType, array: HostArray): Float32Array<ArrayBuffer> {
  if (array instanceof Float32Array) return new Float32Array(array)
  const numbers = new Float32Array(array.length)
  for (let i = 0; i < array.length; i++) numbers[i] = readElement(dtype, array, i)
  return numbers
}

/** Writes a number into element `index` of a host array, rounding to the dtype. */
export function writeElement(dtype: DType, array: HostArray, index: number, value: number): void {
  if (dtype === 'bf16') array[index] = numberToBf16(value)
  else if (dtype === 'f16') array[index] = numberToF16(value)
  else array[index] = value
}
