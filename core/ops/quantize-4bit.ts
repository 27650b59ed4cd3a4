/**
 * 4-bit weights as bitsandbytes packs them: nf4 and fp4 in blocks, with double quantization of the scales (QLoRA,
 * Dettmers et al. 2023, arXiv 2305.14314).
 */
import { expectOptions, expectKnown } from '../tensor/expect.ts'
import { defineOp, expectDType, type Op, run } from '../tensor/op.ts'
import {
  expectBlock,
  NESTED_BLOCK,
  quantizedWeight,
  type QuantizedWeight,
} from '../tensor/quantized-weight.ts'
import { scoped } from '../tensor/scope.ts'
import { noGrad } from '../tensor/tape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { fp4Code, nf4Code } from './_codebooks.ts'
import { affineOp } from './unary.ts'
import { quantize8bit } from './quantize-8bit.ts'

const { fround } = Math

/** Numbers of the op `quantize_4bit`: the code table, and how many elements share a scale (64, 128, … 4096). */
export interface Quantize4bitParams {
  readonly kind: 'nf4' | 'fp4'
  readonly block: number
}

/** Outputs of the op `quantize_4bit` for x of n elements: two codes a byte, and the largest magnitude of each block. */
export type Quantize4bitOutputs = {
  readonly packed: Tensor // (⌈n/2⌉) u8, the even element in the high nibble
  readonly absmax: Tensor // (⌈n/block⌉) f32
}

const CODES = { nf4: nf4Code, fp4: fp4Code } as const

/**
 * The op `quantize_4bit`: x f32 or bf16 → codes of bitsandbytes' nf4 or fp4. Use `quantize4bit()`, which makes a whole
 * packed weight.
 */
export const quantize4bitOp: Op<{ readonly x: Tensor }, Quantize4bitParams, Quantize4bitOutputs> = defineOp({
  name: 'quantize_4bit',
  outputs({ x }, { kind, block }) {
    expectKnown('quantize_4bit', 'kind', kind, CODES)
    expectDType('quantize_4bit', 'x', x, ['f32', 'bf16'])
    expectBlock('quantize_4bit', block)
    return {
      packed: { shape: [Math.ceil(x.size / 2)], dtype: 'u8' },
      absmax: { shape: [Math.ceil(x.size / block)], dtype: 'f32' },
    }
  },
  reference({ inputs: { x }, params: { kind, block }, outputs: { packed, absmax } }) {
    const codeOf = CODES[kind]
    for (const [i, value] of x.data.entries()) {
      const b = Math.floor(i / block)
      if (i % block === 0) absmax.data[b] = largestMagnitude(x.data.subarray(i, i + block))
      // Of a block of zeros the factor is Inf and the product NaN, which has code 0 of both kinds.
      const code = codeOf(fround(fround(value) * fround(1 / absmax.data[b])))
      packed.data[i >> 1] += i % 2 === 0 ? code << 4 : code
    }
  },
})

/** Options of `quantize4bit()`; bitsandbytes' names are `quant_type`, `blocksize` and `compress_statistics`. */
export interface Quantize4bitOptions {
  readonly kind?: 'nf4' | 'fp4'
  /** 64, 128, … 4096 */
  readonly block?: number
  /** Double quantization: the scales as 8-bit codes. It waits for the device to know their mean. */
  readonly doubleQuant?: boolean
}

/**
 * weight (out, in) f32 or bf16 → packed. The weight is not changed and not kept.
 *
 * @example
 * ```ts
 * import { dequantizeWeight, quantize4bit, tensor } from 'tritune/core'
 *
 * using weight = tensor(new Float32Array(64 * 64).fill(0.5), { shape: [64, 64] })
 * using packed = quantize4bit(weight, { kind: 'nf4', doubleQuant: false })
 * using again = dequantizeWeight(packed)
 * console.log(packed.parts.data.bytes, again.toArray()[0]) // → 2048 0.5
 * ```
 */
export function quantize4bit(weight: Tensor, options: Quantize4bitOptions = {}): QuantizedWeight {
  expectOptions('quantize_4bit', options)
  const { kind = 'nf4', block = 64, doubleQuant = true } = options
  let offset = 0
  const parts = noGrad(() =>
    scoped(() => {
      const { packed, absmax } = run(quantize4bitOp, { x: weight }, { kind, block })
      if (!doubleQuant) return { data: packed, scale: absmax, nested: undefined }
      offset = mean(absmax.storage.host ? absmax.host() : absmax.toArray())
      const { y } = run(affineOp, { x: absmax }, { scale: 1, shift: -offset })
      const { codes, absmax: nested } = quantize8bit(y, { block: NESTED_BLOCK })
      return { data: packed, scale: codes, nested }
    }),
  )
  return quantizedWeight({ kind, shape: weight.shape, parts, block, offset })
}

/** NaN does not count, as in bitsandbytes' kernel. */
function largestMagnitude(values: Float64Array): number {
  let largest = 0
  for (const value of values) if (Math.abs(value) > largest) largest = Math.abs(value)
  return largest
}

/** Of f32 numbers, in four sums in f64, because an addition waits for the one before: it is a third of packing a weight otherwise. */
function mean(values: ArrayLike<number>): number {
  const whole = values.length & ~3
  // By index and in plain variables: an iterator over a quarter of a million scales takes longer than packing the weight.
  let [a, b, c, d] = [0, 0, 0, 0]
  for (let i = 0; i < whole; i += 4) {
    a += values[i]
    b += values[i + 1]
    c += values[i + 2]
    d += values[i + 3]
  }
  for (let i = whole; i < values.length; i++) a += values[i]
  return fround((a + b + c + d) / Math.max(1, values.length))
}
