/**
 * Blockwise 8-bit codes of bitsandbytes (Dettmers et al. 2022, arXiv 2110.02861): each block is divided by its largest
 * magnitude and every number becomes the nearest value of a dynamic map.
 */
import { expectOptions } from '../tensor/expect.ts'
import { defineOp, expectDType, type Op, run } from '../tensor/op.ts'
import { TrituneError } from '../errors.ts'
import { expectShape } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { dynamicMap, nearestCode } from './_codebooks.ts'

const { fround } = Math

/** How numbers become blockwise 8-bit codes: the size of a block, and which of bitsandbytes' dynamic maps. */
export interface Blocks8bit {
  /** Elements that share an absmax; any positive number. */
  readonly block: number
  /** The map: −1 … 1, or 0 … 1. */
  readonly signed: boolean
}

/** The codes of a tensor, and the absmax of each block. */
export type Quantized8bit = {
  readonly codes: Tensor // u8, shape of x
  readonly absmax: Tensor // (⌈n / block⌉) f32
}

/** The op `quantize_8bit`: x f32 → codes. Use `quantize8bit()`. Throws E_DTYPE for another dtype. */
export const quantize8bitOp: Op<{ readonly x: Tensor }, Blocks8bit, Quantized8bit> = defineOp({
  name: 'quantize_8bit',
  outputs({ x }, { block }) {
    expectDType('quantize_8bit', 'x', x, ['f32'])
    expectPositiveBlock('quantize_8bit', block)
    return {
      codes: { shape: x.shape, dtype: 'u8' },
      absmax: { shape: [Math.ceil(x.size / block)], dtype: 'f32' },
    }
  },
  reference({ inputs: { x }, params: { block, signed }, outputs: { codes, absmax } }) {
    for (let b = 0; b < absmax.data.length; b++) {
      const values = x.data.subarray(b * block, (b + 1) * block)
      const quantized = quantizeBlock8bit(values, signed)
      codes.data.set(quantized.codes, b * block)
      absmax.data[b] = quantized.absmax
    }
  },
})

/** The op `dequantize_8bit`: codes → f32, one product for each. Use `dequantize8bit()`. */
export const dequantize8bitOp: Op<
  Quantized8bit,
  Blocks8bit,
  { readonly y: Tensor } // f32, shape of the codes
> = defineOp({
  name: 'dequantize_8bit',
  outputs({ codes, absmax }, { block }) {
    expectDType('dequantize_8bit', 'codes', codes, ['u8'])
    expectDType('dequantize_8bit', 'absmax', absmax, ['f32'])
    expectPositiveBlock('dequantize_8bit', block)
    expectShape('dequantize_8bit absmax', absmax.shape, [Math.ceil(codes.size / block)])
    return { y: { shape: codes.shape, dtype: 'f32' } }
  },
  reference({ inputs: { codes, absmax }, params: { block, signed }, outputs: { y } }) {
    const map = dynamicMap(signed)
    for (const [i, code] of codes.data.entries())
      y.data[i] = fround(map[code] * absmax.data[Math.floor(i / block)])
  },
})

/**
 * x f32 of any shape → codes of that shape and an absmax for each block of the flat x. NaN does not count for it.
 *
 * @example
 * ```ts
 * import { dequantize8bit, quantize8bit, tensor, tensorScope } from 'tritune/core'
 *
 * using _scope = tensorScope()
 * const { codes, absmax } = quantize8bit(tensor([1, 0]), { block: 256 })
 * console.log([...dequantize8bit({ codes, absmax }, { block: 256 }).toArray()]) // → [ 1, 0 ]
 * ```
 */
export function quantize8bit(x: Tensor, options: Partial<Blocks8bit> = {}): Quantized8bit {
  expectOptions('quantize_8bit', options)
  const { block = 256, signed = true } = options
  return run(quantize8bitOp, { x }, { block, signed })
}

/** The f32 numbers behind the codes, in the shape of the codes. */
export function dequantize8bit(packed: Quantized8bit, options: Partial<Blocks8bit> = {}): Tensor {
  expectOptions('dequantize_8bit', packed)
  const { codes, absmax } = packed
  expectOptions('dequantize_8bit', options)
  const { block = 256, signed = true } = options
  return run(dequantize8bitOp, { codes, absmax }, { block, signed }).y
}

/** The codes and the absmax of one block, in f32 arithmetic: for references of other ops. */
export function quantizeBlock8bit(
  values: Float64Array,
  signed: boolean,
): { readonly codes: Float64Array; readonly absmax: number } {
  const map = dynamicMap(signed)
  let absmax = 0
  for (const value of values) if (Math.abs(value) > absmax) absmax = fround(Math.abs(value))
  return { codes: values.map((value) => nearestCode(map, fround(fround(value) / absmax))), absmax }
}

function expectPositiveBlock(name: string, block: number): void {
  if (!(Number.isInteger(block) && block > 0 && block < 2 ** 31))
    throw new TrituneError('E_SHAPE', `${name}: block must be a positive whole number, got ${block}`)
}
