/**
 * Numbers rounded to what a few bits can hold, and given back as numbers: the layers of a training that knows of the quantization to come (QAT), with the
 * arithmetic of torchao (https://github.com/pytorch/ao, `torchao.quantization.qat` and `torchao.prototype.qat`).
 *
 * Everything is made of ops on f32, so it runs where they run. Gradients are not: whoever trains lets them pass (straight-through).
 */
import {
  abs,
  add,
  affine,
  amax,
  cast,
  div,
  greater,
  maximum,
  minimum,
  mul,
  neg,
  noGrad,
  reciprocal,
  reshape,
  sub,
  type Tensor,
  tensorScope,
} from '../../../core/mod.ts'

/** What a number becomes. */
export type FakeFormat =
  /** Whole numbers of 4 bits with one scale for a group of a row. */
  | { readonly kind: 'int4'; readonly group: number }
  /** Whole numbers of 8 bits with a scale and a zero for each row. */
  | { readonly kind: 'int8' }
  /** E2M1 with scales in E4M3 for 16 numbers, over one for the whole. */
  | { readonly kind: 'nvfp4' }
  /** E2M1 with scales that are powers of two for 32 numbers. */
  | { readonly kind: 'mxfp4' }

/** Numbers that share a scale must divide a row. */
export function groupOf(format: FakeFormat): number {
  return format.kind === 'int4'
    ? format.group
    : format.kind === 'nvfp4'
      ? 16
      : format.kind === 'mxfp4'
        ? 32
        : 1
}

/** x (…, columns) f32 or bf16, rounded, in its shape and dtype. Without gradients. */
export function fakeQuantize(x: Tensor, format: FakeFormat): Tensor {
  return noGrad(() => {
    using scope = tensorScope()
    const rows = cast(x, 'f32')
    const group = format.kind === 'int8' ? (x.shape.at(-1) ?? 1) : groupOf(format)
    const blocks = reshape(rows, [x.size / group, group])
    return scope.keep(cast(reshape(ROUNDERS[format.kind](blocks), x.shape), x.dtype))
  })
}

/** 1 where the gradient of a number passes and 0 where its rounding was cut off; null: all pass. */
export function passingGradient(x: Tensor, format: FakeFormat): Tensor | null {
  if (format.kind !== 'int4') return null
  return noGrad(() => {
    using scope = tensorScope()
    const blocks = reshape(cast(x, 'f32'), [x.size / format.group, format.group])
    const isCut = greater(rounded(mul(blocks, reciprocal(int4Scale(blocks)))), 7)
    return scope.keep(reshape(affine(isCut, { scale: -1, shift: 1 }), x.shape))
  })
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const ROUNDERS: Readonly<Record<FakeFormat['kind'], (blocks: Tensor) => Tensor>> = {
  int4(blocks) {
    const scale = int4Scale(blocks)
    const whole = clamp(rounded(mul(blocks, reciprocal(scale))), -8, 7)
    return mul(whole, scale)
  },
  int8(rows) {
    const most = maximum(amax(rows, LAST), 0)
    const least = minimum(neg(amax(neg(rows), LAST)), 0)
    const scale = maximum(over(sub(most, least), 255), EPSILON)
    const zero = clamp(affine(rounded(div(least, scale)), { scale: -1, shift: -128 }), -128, 127)
    const whole = clamp(add(rounded(mul(rows, reciprocal(scale))), zero), -128, 127)
    return mul(sub(whole, zero), scale)
  },
  nvfp4(blocks) {
    const top = amax(abs(blocks), LAST)
    const whole = maximum(over(amax(top), E4M3_MOST * E2M1_MOST), SMALLEST)
    const scales = e4m3(clamp(div(over(top, E2M1_MOST), whole), E4M3_LEAST, E4M3_MOST))
    const scale = mul(scales, whole)
    return mul(e2m1(mul(blocks, div(reciprocal(whole), scales))), scale)
  },
  mxfp4(blocks) {
    const scale = powerAbove(maximum(affine(amax(abs(blocks), LAST), { scale: 1 / E2M1_MOST }), SMALLEST))
    return mul(e2m1(div(blocks, scale)), scale)
  },
}

function int4Scale(blocks: Tensor): Tensor {
  return maximum(over(amax(abs(blocks), LAST), 7.5), EPSILON)
}

const LAST = { axis: -1, keepDims: true } as const
const EPSILON = 2 ** -23
const SMALLEST = 1e-30
const E2M1_MOST = 6
const E4M3_MOST = 448
const E4M3_LEAST = 2 ** -6

/** x / n as torch rounds it; an op with a number multiplies by its reciprocal. */
function over(x: Tensor, n: number): Tensor {
  return div(x, affine(x, { scale: 0, shift: n }))
}

/** To the nearest whole number, halves to the even one: what f32 does with a number beside 1.5·2²³. Exact below 2²². */
function rounded(x: Tensor): Tensor {
  return affine(affine(x, { shift: 1.5 * 2 ** 23 }), { shift: -1.5 * 2 ** 23 })
}

/** To so many bits of mantissa fewer (Veltkamp's splitting). */
function shortened(x: Tensor, bits: number): Tensor {
  const wide = affine(x, { scale: 2 ** bits + 1 })
  return sub(wide, sub(wide, x))
}

/** The three bits of mantissa of E4M3; x is one of its normal numbers. */
function e4m3(x: Tensor): Tensor {
  return shortened(x, 20)
}

/** The least power of two that is not below x > 0. */
function powerAbove(x: Tensor): Tensor {
  const near = shortened(x, 23)
  return mul(near, affine(greater(x, near), { shift: 1 }))
}

/** ±0, 0.5, 1, 1.5, 2, 3, 4 and 6. */
function e2m1(x: Tensor): Tensor {
  const inside = clamp(x, -E2M1_MOST, E2M1_MOST)
  const size = abs(inside)
  const step = affine(add(greater(size, 2), affine(greater(size, 4), { scale: 2 })), {
    scale: 0.5,
    shift: 0.5,
  })
  return mul(rounded(div(inside, step)), step)
}

function clamp(x: Tensor, least: number, most: number): Tensor {
  return minimum(maximum(x, least), most)
}
