import { describe, expect, test } from 'bun:test'
import {
  bf16ToNumber,
  type DType,
  DTYPES,
  f16ToNumber,
  isFloat,
  numberToBf16,
  numberToF16,
  readElement,
  writeElement,
} from '../../core/mod.ts'

describe('bf16', () => {
  test('`numberToBf16()` gives the bits of exact values', () => {
    const table: [number, number][] = [
      [0, 0x0000],
      [-0, 0x8000],
      [1, 0x3f80],
      [-2, 0xc000],
      [0.5, 0x3f00],
      [Infinity, 0x7f80],
      [-Infinity, 0xff80],
      [2 ** -126, 0x0080],
      [2 ** -133, 0x0001],
    ]
    for (const [value, bits] of table) {
      expect(numberToBf16(value)).toBe(bits)
      expect(bf16ToNumber(bits)).toBe(value)
    }
  })
  test('`numberToBf16()` rounds to nearest, ties to even', () => {
    const step = 2 ** -7 // between bf16 numbers at 1
    expect(bf16ToNumber(numberToBf16(1 + step / 2))).toBe(1) // a tie: the even one is below
    expect(bf16ToNumber(numberToBf16(1 + 1.5 * step))).toBe(1 + 2 * step) // a tie: above
    expect(bf16ToNumber(numberToBf16(1 + 0.51 * step))).toBe(1 + step)
    expect(bf16ToNumber(numberToBf16(1 + 0.49 * step))).toBe(1)
  })
  test('`numberToBf16()` overflows to infinity', () => {
    expect(numberToBf16(3.4028234663852886e38)).toBe(0x7f80)
    expect(bf16ToNumber(0x7f7f)).toBe(3.3895313892515355e38)
  })
  test('`numberToBf16()` keeps NaN a NaN', () => {
    expect(bf16ToNumber(numberToBf16(Number.NaN))).toBeNaN()
  })
  test('every bf16 survives the way to a number and back', () => {
    for (let bits = 0; bits < 0x10000; bits++) {
      const value = bf16ToNumber(bits)
      if (!Number.isNaN(value) && numberToBf16(value) !== bits) throw new Error(`0x${bits.toString(16)}`)
    }
  })
})

describe('f16', () => {
  test('`numberToF16()` gives the bits of exact values', () => {
    const table: [number, number][] = [
      [1, 0x3c00],
      [-2, 0xc000],
      [65504, 0x7bff],
      [2 ** -14, 0x0400],
      [2 ** -24, 0x0001],
      [Infinity, 0x7c00],
    ]
    for (const [value, bits] of table) {
      expect(numberToF16(value)).toBe(bits)
      expect(f16ToNumber(bits)).toBe(value)
    }
  })
  test('`numberToF16()` rounds ties to even and overflows to infinity', () => {
    expect(numberToF16(1 + 2 ** -11)).toBe(0x3c00)
    expect(numberToF16(1 + 3 * 2 ** -11)).toBe(0x3c02)
    expect(numberToF16(65520)).toBe(0x7c00)
  })
  test('every f16 survives the way to a number and back', () => {
    for (let bits = 0; bits < 0x10000; bits++) {
      const value = f16ToNumber(bits)
      if (!Number.isNaN(value) && numberToF16(value) !== bits) throw new Error(`0x${bits.toString(16)}`)
    }
  })
})

describe('DTYPES', () => {
  const names = Object.keys(DTYPES) as DType[]

  test('codes are those of tt_dtype in tritune.h', async () => {
    const header = await Bun.file(new URL('../../native/include/tritune.h', import.meta.url)).text()
    for (const name of names) expect(header).toContain(`TT_${name.toUpperCase()} = ${DTYPES[name].code}`)
  })
  test('arrays have elements of the size that the dtype has', () => {
    for (const name of names) {
      const { array, bytes } = DTYPES[name]
      expect(new array(new ArrayBuffer(8 * bytes), bytes, 3).byteLength).toBe(3 * bytes)
    }
  })
  test('`writeElement()` and `readElement()` round as the dtype does', () => {
    const expected: Record<DType, number> = {
      f32: Math.fround(1.3),
      bf16: 1.296875,
      f16: 1.2998046875,
      i32: 1,
      u8: 1,
      i8: 1,
    }
    for (const name of names) {
      const { array, bytes } = DTYPES[name]
      const host = new array(new ArrayBuffer(2 * bytes), 0, 2)
      writeElement(name, host, 1, 1.3)
      expect(readElement(name, host, 1)).toBe(expected[name])
      expect(readElement(name, host, 0)).toBe(0)
    }
  })
  test('`isFloat()` tells floats from integers', () => {
    expect(names.filter(isFloat)).toEqual(['f32', 'bf16', 'f16'])
  })
})
