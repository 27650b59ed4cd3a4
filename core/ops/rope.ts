/**
 * Rotary position embedding, rotate-half form (Su et al. 2021, arXiv 2104.09864): channel i and i + rotary/2 of each
 * head turn by the angle of (position, i). The angle tables, with their scaling rules, are made elsewhere.
 */
import { expectOptions } from '../tensor/expect.ts'
import { defineOp, expectDType, type Op, run } from '../tensor/op.ts'
import { expectShape, formatShape } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { TrituneError } from '../errors.ts'

/**
 * Inputs of the op `rope`: T tokens of H heads with D channels, the angle tables of P positions, and the position of
 * each token.
 */
export type RopeInputs = {
  readonly x: Tensor // (T, H, D)
  readonly cos: Tensor // (P, rotary/2) f32
  readonly sin: Tensor // (P, rotary/2) f32
  readonly positions: Tensor // (T) i32
}

/** Numbers of the op `rope`: which way it turns. */
export interface RopeParams {
  /** Turns back: the gradient. */
  readonly inverse: boolean
}

/**
 * The op `rope`. Use `rope()`. Throws E_SHAPE for a position that is not in the tables, and for tables of more
 * channels than a head has.
 */
export const ropeOp: Op<RopeInputs, RopeParams, { readonly y: Tensor }> = defineOp({
  name: 'rope',
  outputs({ x, cos, sin, positions }) {
    const [tokens, heads, size] = x.shape
    expectDType('rope', 'x', x, ['f32', 'bf16'])
    expectDType('rope', 'cos', cos, ['f32'])
    expectDType('rope', 'sin', sin, ['f32'])
    expectDType('rope', 'positions', positions, ['i32'])
    expectShape('rope x', x.shape, [tokens, heads, size])
    expectShape('rope positions', positions.shape, [tokens])
    expectShape('rope sin', sin.shape, cos.shape)
    if (heads === 0 || size === 0)
      throw new TrituneError('E_SHAPE', `rope: x ${formatShape(x.shape)} has no channels`)
    const half = cos.shape[1]
    if (cos.shape.length !== 2 || 2 * half > size) {
      throw new TrituneError('E_SHAPE', `rope: tables of ${half} angles do not fit heads of ${size} channels`)
    }
    return { y: { shape: x.shape, dtype: x.dtype } }
  },
  reference({ inputs: { x, cos, sin, positions }, params: { inverse }, outputs: { y } }) {
    const [tokens, heads, size] = x.shape
    const [table, half] = cos.shape
    y.data.set(x.data)
    for (let t = 0; t < tokens; t++) {
      const position = positions.data[t]
      if (position < 0 || position >= table) {
        throw new TrituneError(
          'E_SHAPE',
          `rope: position ${position} of token ${t} is not in a table of ${table}`,
        )
      }
      for (let h = 0; h < heads; h++) {
        const first = (t * heads + h) * size
        for (let i = 0; i < half; i++) {
          const c = cos.data[position * half + i]
          const s = inverse ? -sin.data[position * half + i] : sin.data[position * half + i]
          const a = x.data[first + i]
          const b = x.data[first + i + half]
          y.data[first + i] = a * c - b * s
          y.data[first + i + half] = b * c + a * s
        }
      }
    }
  },
  saves: ['cos', 'sin', 'positions'],
  gradient({ saved: { cos, sin, positions }, params: { inverse }, grads: { y: dy } }) {
    return dy ? { x: run(ropeOp, { x: dy, cos, sin, positions }, { inverse: !inverse }).y } : {}
  },
})

/** What `rope()` turns by: cos and sin of each angle, and the position of each token. */
export interface RopeTables {
  readonly cos: Tensor // (P, rotary/2) f32
  readonly sin: Tensor // (P, rotary/2) f32
  /** (T) i32: the row of the tables for each token. */
  readonly positions: Tensor
}

/**
 * x (T, H, D) turned by its positions → (T, H, D); channels from 2·cos.shape[1] on stay as they are.
 *
 * @example
 * ```ts
 * import { rope, tensor, tensorScope } from 'tritune/core'
 *
 * using _scope = tensorScope()
 * const x = tensor([1, 0], { shape: [1, 1, 2] }) // one token, one head of 2
 * const [cos, sin] = [tensor([0], { shape: [1, 1] }), tensor([1], { shape: [1, 1] })] // a quarter turn
 * const positions = tensor([0], { dtype: 'i32' })
 * console.log([...rope(x, { cos, sin, positions }).toArray()]) // → [ 0, 1 ]
 * ```
 */
export function rope(x: Tensor, tables: RopeTables): Tensor {
  expectOptions('rope', tables)
  const { cos, sin, positions } = tables
  return run(ropeOp, { x, cos, sin, positions }, { inverse: false }).y
}
