/**
 * Functions of one number, applied to every element, and the affine map. Their gradients read x alone.
 */
import { expectOptions, expectKnown, expectNumber } from '../tensor/expect.ts'
import { defineOp, expectDType, type Op, run } from '../tensor/op.ts'
import { expectShape } from '../tensor/shape.ts'
import { noGrad } from '../tensor/tape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { type Curve, geluErf, geluTanh, sigmoid as sigmoidOf, silu as siluCurve } from './_activations.ts'

/** A function of one number; `gelu_erf` is exact, `gelu_tanh` its approximation. */
export type UnaryFunction =
  | 'neg'
  | 'exp'
  | 'log'
  | 'sqrt'
  | 'rsqrt'
  | 'tanh'
  | 'sigmoid'
  | 'relu'
  | 'abs'
  | 'sin'
  | 'cos'
  | 'square'
  | 'reciprocal'
  | 'silu'
  | 'gelu_tanh'
  | 'gelu_erf'

const CURVES: { readonly [F in UnaryFunction]: Curve } = {
  neg: { value: (x) => -x, slope: () => -1 },
  exp: { value: Math.exp, slope: Math.exp },
  log: { value: Math.log, slope: (x) => 1 / x },
  sqrt: { value: Math.sqrt, slope: (x) => 0.5 / Math.sqrt(x) },
  rsqrt: { value: (x) => 1 / Math.sqrt(x), slope: (x) => -0.5 / (x * Math.sqrt(x)) },
  tanh: { value: Math.tanh, slope: (x) => 1 - Math.tanh(x) ** 2 },
  sigmoid: { value: sigmoidOf, slope: (x) => sigmoidOf(x) * sigmoidOf(-x) },
  relu: { value: (x) => (x > 0 ? x : 0), slope: (x) => (x > 0 ? 1 : 0) },
  abs: { value: Math.abs, slope: Math.sign },
  sin: { value: Math.sin, slope: Math.cos },
  cos: { value: Math.cos, slope: (x) => -Math.sin(x) },
  square: { value: (x) => x * x, slope: (x) => 2 * x },
  reciprocal: { value: (x) => 1 / x, slope: (x) => -1 / (x * x) },
  silu: siluCurve,
  gelu_tanh: geluTanh,
  gelu_erf: geluErf,
}

/** Numbers of the op `unary`: which function it is. */
export interface UnaryParams {
  readonly f: UnaryFunction
}

/** The op `unary`: y = f(x), shape and dtype of x. Use `exp()`, `gelu()` and the others. */
export const unaryForward: Op<{ readonly x: Tensor }, UnaryParams, { readonly y: Tensor }> = defineOp({
  name: 'unary',
  outputs({ x }, { f }) {
    expectKnown('unary', 'f', f, CURVES)
    expectDType(f, 'x', x, ['f32', 'bf16'])
    return { y: { shape: x.shape, dtype: x.dtype } }
  },
  reference({ inputs: { x }, params: { f }, outputs: { y } }) {
    const { value } = CURVES[f]
    for (let i = 0; i < x.data.length; i++) y.data[i] = value(x.data[i])
  },
  saves: ['x'],
  gradient({ saved: { x }, params, grads: { y: dy } }) {
    return dy ? { x: run(unaryBackward, { dy, x }, params).dx } : {}
  },
})

/** The op `unary_backward`: dx = dy·f′(x), shape and dtype of x. */
export const unaryBackward: Op<
  { readonly dy: Tensor; readonly x: Tensor },
  UnaryParams,
  { readonly dx: Tensor }
> = defineOp({
  name: 'unary_backward',
  outputs({ dy, x }, { f }) {
    expectKnown('unary_backward', 'f', f, CURVES)
    expectDType('unary_backward', 'x', x, ['f32', 'bf16'])
    expectDType('unary_backward', 'dy', dy, [x.dtype])
    expectShape('unary_backward dy', dy.shape, x.shape)
    return { dx: { shape: x.shape, dtype: x.dtype } }
  },
  reference({ inputs: { dy, x }, params: { f }, outputs: { dx } }) {
    const { slope } = CURVES[f]
    for (let i = 0; i < x.data.length; i++) dx.data[i] = dy.data[i] * slope(x.data[i])
  },
})

/** Numbers of the op `affine`: y = scale·x + shift. */
export interface AffineParams {
  readonly scale: number
  readonly shift: number
}

/** The op `affine`: y = scale·x + shift, shape and dtype of x. */
export const affineOp: Op<{ readonly x: Tensor }, AffineParams, { readonly y: Tensor }> = defineOp({
  name: 'affine',
  outputs({ x }, { scale, shift }) {
    expectNumber('affine', 'scale', scale)
    expectNumber('affine', 'shift', shift)
    expectDType('affine', 'x', x, ['f32', 'bf16'])
    return { y: { shape: x.shape, dtype: x.dtype } }
  },
  reference({ inputs: { x }, params: { scale, shift }, outputs: { y } }) {
    for (let i = 0; i < x.data.length; i++) y.data[i] = scale * x.data[i] + shift
  },
  gradient({ params: { scale }, grads: { y: dy } }) {
    if (!dy || scale === 1) return { x: dy }
    return { x: run(affineOp, { x: dy }, { scale, shift: 0 }).y }
  },
})

// ---- functions: x of any shape, f32 or bf16 ------------------------------------------------------------------------

/**
 * scale·x + shift of every element, f32 or bf16.
 *
 * @example
 * ```ts
 * import { affine, tensor, tensorScope } from 'tritune/core'
 *
 * using _scope = tensorScope()
 * console.log([...affine(tensor([1, 2]), { scale: 3, shift: 1 }).toArray()]) // → [ 4, 7 ]
 * ```
 */
export function affine(x: Tensor, options: Partial<AffineParams> = {}): Tensor {
  expectOptions('affine', options)
  const { scale = 1, shift = 0 } = options
  return run(affineOp, { x }, { scale, shift }).y
}

/**
 * x ← factor·x. Not recorded: for gradients, statistics and weights, never for a result that the tape needs.
 *
 * @example
 * ```ts
 * import { scaleInPlace, tensor } from 'tritune/core'
 *
 * using x = tensor([1, 2])
 * scaleInPlace(x, 0.5)
 * console.log([...x.toArray()]) // → [ 0.5, 1 ]
 * ```
 */
export function scaleInPlace(x: Tensor, factor: number): void {
  noGrad(() => run(affineOp, { x }, { scale: factor, shift: 0 }, { y: x }))
}

/** −x of every element, f32 or bf16. */
export const neg = (x: Tensor): Tensor => unary(x, 'neg')
/** eˣ of every element, f32 or bf16. */
export const exp = (x: Tensor): Tensor => unary(x, 'exp')
/** Natural logarithm of every element, f32 or bf16; NaN below 0, −Inf at 0. */
export const log = (x: Tensor): Tensor => unary(x, 'log')
/** √x of every element, f32 or bf16. */
export const sqrt = (x: Tensor): Tensor => unary(x, 'sqrt')
/** 1/√x of every element, f32 or bf16. */
export const rsqrt = (x: Tensor): Tensor => unary(x, 'rsqrt')

/** Hyperbolic tangent of every element, f32 or bf16. */
export const tanh = (x: Tensor): Tensor => unary(x, 'tanh')
/** 1/(1 + e⁻ˣ) of every element, f32 or bf16. */
export const sigmoid = (x: Tensor): Tensor => unary(x, 'sigmoid')
/** max(x, 0) of every element, f32 or bf16; slope 0 at 0. */
export const relu = (x: Tensor): Tensor => unary(x, 'relu')
/** |x| of every element, f32 or bf16; slope 0 at 0. */
export const abs = (x: Tensor): Tensor => unary(x, 'abs')

/** Sine of every element, in radians, f32 or bf16. */
export const sin = (x: Tensor): Tensor => unary(x, 'sin')

/** Cosine of every element, in radians, f32 or bf16. */
export const cos = (x: Tensor): Tensor => unary(x, 'cos')
/** x² of every element, f32 or bf16. */
export const square = (x: Tensor): Tensor => unary(x, 'square')
/** 1/x of every element, f32 or bf16. */
export const reciprocal = (x: Tensor): Tensor => unary(x, 'reciprocal')
/** x·sigmoid(x) of every element, f32 or bf16 (arXiv 1702.03118). */
export const silu = (x: Tensor): Tensor => unary(x, 'silu')

/** How the normal distribution's Φ is computed: exactly, or by Hendrycks' tanh formula. */
export interface GeluOptions {
  readonly approximate?: 'none' | 'tanh'
}

/**
 * x·Φ(x) of every element, f32 or bf16 (arXiv 1606.08415); `approximate: 'tanh'` is the approximation of GPT-2.
 *
 * @example
 * ```ts
 * import { gelu, tensor, tensorScope } from 'tritune/core'
 *
 * using _scope = tensorScope()
 * console.log(gelu(tensor([0])).item()) // → 0
 * ```
 */
export function gelu(x: Tensor, options: GeluOptions = {}): Tensor {
  expectOptions('gelu', options)
  const { approximate = 'none' } = options
  return unary(x, approximate === 'tanh' ? 'gelu_tanh' : 'gelu_erf')
}

function unary(x: Tensor, f: UnaryFunction): Tensor {
  return run(unaryForward, { x }, { f }).y
}
