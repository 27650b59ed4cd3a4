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

describe('f16 as `Float16Array` has it', () => {
  const f16 = new Float16Array(1)
  const bits = new Uint16Array(f16.buffer)

  test('all its numbers, both ways', () => {
    for (let code = 0; code < 2 ** 16; code++) {
      bits[0] = code
      const number = f16[0]
      expect(Object.is(f16ToNumber(code), number)).toBe(true)
      if (!Number.isNaN(number) && numberToF16(number) !== code) throw new Error(`${number} is not ${code}`)
    }
  })

  test('what is rounded: half-way between two, a little beside it, and random numbers of every size', () => {
    let seed = 1
    const random = (): number => (seed = (seed * 48271) % 2147483647) / 2147483647
    const values = Array.from(
      { length: 50_000 },
      () => (random() - 0.5) * 2 ** Math.floor(random() * 46 - 28),
    )
    for (let code = 0; code < 0x7c00; code++) {
      const half = (f16ToNumber(code) + (code === 0x7bff ? 65536 : f16ToNumber(code + 1))) / 2
      values.push(half, half * (1 + 2 ** -40), half * (1 - 2 ** -40))
    }
    values.push(65519.999, 65520, 1e10, 1e300, 2 ** -24, 2 ** -25, 2 ** -26, 5e-324)
    for (const value of values) {
      for (const signed of [value, -value]) {
        f16[0] = signed
        if (numberToF16(signed) !== bits[0])
          throw new Error(`${signed}: ${numberToF16(signed)}, not ${bits[0]}`)
      }
    }
  })
})
