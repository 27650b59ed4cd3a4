/**
 * Functions of two numbers with NumPy broadcasting; the gradient of a repeated input is summed back to its shape.
 */
import { TrituneError } from '../errors.ts'
import { expectInside, expectKnown } from '../tensor/expect.ts'
import { expectTensor } from '../tensor/expect-tensor.ts'
import { defineOp, expectDType, type Op, run } from '../tensor/op.ts'
import { broadcastShapes, broadcastStrides, expectShape, type Shape, sizeOf } from '../tensor/shape.ts'
import { noGrad } from '../tensor/tape.ts'
import { tensor, type Tensor } from '../tensor/tensor.ts'
import { axesOf, type Dim, expectDims, forEachIndex, joinDims } from './_dims.ts'
import { sumTo } from './reduce.ts'
import { affine } from './unary.ts'

/** A function of two numbers; `greater` and `equal` give 1 and 0. */
export type BinaryFunction = 'add' | 'sub' | 'mul' | 'div' | 'maximum' | 'minimum' | 'greater' | 'equal'

/** Inputs of the op `binary`: f32 or bf16, both of one dtype, whose shapes broadcast as in NumPy. */
export type BinaryInputs = { readonly a: Tensor; readonly b: Tensor }

/** Numbers of the op `binary`: the function, and how both inputs are walked to fill `shape`. */
export interface BinaryParams {
  readonly f: BinaryFunction
  readonly shape: Shape
  /** size, stride of a, stride of b (0: repeated) */
  readonly dims: readonly Dim[]
  readonly shapeA: Shape
  readonly shapeB: Shape
}

const FUNCTIONS: { readonly [F in BinaryFunction]: (a: number, b: number) => number } = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  maximum: Math.max,
  minimum: Math.min,
  greater: (a, b) => (a > b ? 1 : 0),
  equal: (a, b) => (a === b ? 1 : 0),
}

/** The op `binary`: y = f(a, b) over the shape that both broadcast to. Use `add()`, `mul()` and the others. */
export const binaryOp: Op<BinaryInputs, BinaryParams, { readonly y: Tensor }> = defineOp({
  name: 'binary',
  outputs({ a, b }, { f, shape, dims, shapeA, shapeB }) {
    expectKnown('binary', 'f', f, FUNCTIONS)
    expectDType(f, 'a', a, ['f32', 'bf16'])
    expectDType(f, 'b', b, [a.dtype])
    expectShape(`${f} a`, a.shape, shapeA)
    expectShape(`${f} b`, b.shape, shapeB)
    expectShape(f, shape, broadcastShapes(a.shape, b.shape))
    expectDims(f, dims)
    expectShape(`${f} dims`, [sizeOf(dims.map(([size]) => size))], [sizeOf(shape)])
    expectInside(`${f} a`, axesOf(dims, 1), 0, a.size)
    expectInside(`${f} b`, axesOf(dims, 2), 0, b.size)
    return { y: { shape, dtype: a.dtype } }
  },
  reference({ inputs: { a, b }, params: { f, dims }, outputs: { y } }) {
    const value = FUNCTIONS[f]
    forEachIndex(dims, (i, atA, atB) => {
      y.data[i] = value(a.data[atA], b.data[atB])
    })
  },
  saves: (_, { f }) => (f === 'add' || f === 'sub' ? [] : ['a', 'b']),
  gradient({ saved, params: { f, shapeA, shapeB }, grads: { y: dy }, needs }) {
    if (!dy) return {}
    const { ofA, ofB } = SLOPES[f]
    return {
      a: needs('a') ? sumTo(ofA(dy, saved), shapeA) : null,
      b: needs('b') ? sumTo(ofB(dy, saved), shapeB) : null,
    }
  },
})

interface Slopes {
  readonly ofA: (dy: Tensor, saved: BinaryInputs) => Tensor
  readonly ofB: (dy: Tensor, saved: BinaryInputs) => Tensor
}

const none: Slopes = { ofA: noSlope, ofB: noSlope }

/** dy·∂f/∂a and dy·∂f/∂b; where maximum and minimum meet, each side gets half, as in torch. */
const SLOPES: { readonly [F in BinaryFunction]: Slopes } = {
  add: { ofA: (dy) => dy, ofB: (dy) => dy },
  sub: { ofA: (dy) => dy, ofB: (dy) => affine(dy, { scale: -1 }) },
  mul: { ofA: (dy, { b }) => mul(dy, b), ofB: (dy, { a }) => mul(dy, a) },
  div: {
    ofA: (dy, { b }) => div(dy, b),
    ofB: (dy, { a, b }) => affine(div(mul(dy, a), mul(b, b)), { scale: -1 }),
  },
  maximum: {
    ofA: (dy, { a, b }) => mul(dy, larger(a, b)),
    ofB: (dy, { a, b }) => mul(dy, larger(b, a)),
  },
  minimum: {
    ofA: (dy, { a, b }) => mul(dy, larger(b, a)),
    ofB: (dy, { a, b }) => mul(dy, larger(a, b)),
  },
  greater: none,
  equal: none,
}

// ---- functions: f32 or bf16, both the same; a number stands for a tensor of that number ----------------------------

/**
 * a + b, element by element; shapes broadcast as in NumPy, f32 or bf16, both of one dtype. Throws E_SHAPE, E_DTYPE.
 *
 * @example
 * ```ts
 * import { add, tensor, tensorScope } from 'tritune/core'
 *
 * using _scope = tensorScope()
 * const rows = tensor([1, 2, 3, 4], { shape: [2, 2] })
 * console.log([...add(rows, tensor([10, 20])).toArray()]) // → [ 11, 22, 13, 24 ]
 * ```
 */
export function add(a: Tensor, b: Tensor | number): Tensor {
  return typeof b === 'number' ? affine(a, { shift: b }) : binary('add', a, b)
}

/**
 * a − b, element by element; shapes broadcast as in NumPy, f32 or bf16, both of one dtype. Throws E_SHAPE, E_DTYPE.
 *
 * @example
 * ```ts
 * import { sub, tensor, tensorScope } from 'tritune/core'
 *
 * using _scope = tensorScope()
 * console.log([...sub(tensor([3, 5]), 1).toArray()]) // → [ 2, 4 ]
 * ```
 */
export function sub(a: Tensor, b: Tensor | number): Tensor {
  return typeof b === 'number' ? affine(a, { shift: -b }) : binary('sub', a, b)
}

/**
 * a·b, element by element; shapes broadcast as in NumPy, f32 or bf16, both of one dtype. Throws E_SHAPE, E_DTYPE.
 *
 * @example
 * ```ts
 * import { mul, tensor, tensorScope } from 'tritune/core'
 *
 * using _scope = tensorScope()
 * console.log([...mul(tensor([1, 2, 3]), tensor([2, 2, 0])).toArray()]) // → [ 2, 4, 0 ]
 * ```
 */
export function mul(a: Tensor, b: Tensor | number): Tensor {
  return typeof b === 'number' ? affine(a, { scale: b }) : binary('mul', a, b)
}

/**
 * a/b, element by element; shapes broadcast as in NumPy, f32 or bf16, both of one dtype. Throws E_SHAPE, E_DTYPE.
 *
 * @example
 * ```ts
 * import { div, tensor, tensorScope } from 'tritune/core'
 *
 * using _scope = tensorScope()
 * console.log([...div(tensor([1, 3]), 2).toArray()]) // → [ 0.5, 1.5 ]
 * ```
 */
export function div(a: Tensor, b: Tensor | number): Tensor {
  return typeof b === 'number' ? affine(a, { scale: 1 / b }) : binary('div', a, b)
}

/** The larger of both, element by element; shapes broadcast as in NumPy. */
export function maximum(a: Tensor, b: Tensor | number): Tensor {
  return binary('maximum', a, b)
}

/** The smaller of both, element by element; shapes broadcast as in NumPy. */
export function minimum(a: Tensor, b: Tensor | number): Tensor {
  return binary('minimum', a, b)
}

/** 1 where a > b, else 0, in the dtype of a; shapes broadcast as in NumPy. No gradient. */
export function greater(a: Tensor, b: Tensor | number): Tensor {
  return noGrad(() => binary('greater', a, b))
}

/** 1 where a = b, else 0, in the dtype of a; shapes broadcast as in NumPy. No gradient. */
export function equal(a: Tensor, b: Tensor | number): Tensor {
  return noGrad(() => binary('equal', a, b))
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function binary(f: BinaryFunction, a: Tensor, b: Tensor | number): Tensor {
  expectTensor(f, 'a', a)
  if (typeof b !== 'number') expectTensor(f, 'b', b)
  if (typeof b === 'number') {
    using constant = tensor([b], { shape: [], dtype: a.dtype, device: a.device })
    return binary(f, a, constant)
  }
  const shape = broadcastShapes(a.shape, b.shape)
  const [stridesA, stridesB] = [broadcastStrides(a.shape, shape), broadcastStrides(b.shape, shape)]
  const dims = joinDims(
    f,
    shape.map((n, i) => [n, stridesA[i], stridesB[i]]),
  )
  return run(binaryOp, { a, b }, { f, shape, dims, shapeA: a.shape, shapeB: b.shape }).y
}

/** 1 where a > b, ½ where a = b, else 0 */
function larger(a: Tensor, b: Tensor): Tensor {
  return add(greater(a, b), affine(equal(a, b), { scale: 0.5 }))
}

function noSlope(): Tensor {
  throw new TrituneError('E_UNSUPPORTED', 'comparisons have no gradient')
}
