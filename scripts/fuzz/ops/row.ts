/**
 * A row of the fuzz table: how the arguments of one op or function are made. They fit together; `corrupt` breaks them afterwards.
 */
import { type DType, type Op, type OpInputs, type OpOutputs, type Shape, Tensor } from '../../../core/mod.ts'
import type { Dice } from '../random.ts'

export interface InputPlan {
  readonly shape: Shape
  readonly dtype: DType
  /** Default: normal. `below`: whole numbers from 0; `least`: from there on. */
  readonly values?:
    | 'normal'
    | 'positive'
    | readonly number[]
    | { readonly below: number; readonly least?: number }
}

export type InputPlans = Readonly<Record<string, InputPlan | undefined>>
export type Inputs = Readonly<Record<string, Tensor>>

export interface Arguments<P> {
  readonly inputs: InputPlans
  readonly params: P
}

/** A tensor, or numbers that a function gives at once. */
export type Result = Tensor | number

export interface Row {
  readonly name: string
  plan(dice: Dice): Arguments<unknown>
  call(inputs: Inputs, params: unknown): readonly Result[]
  /** Results need not be equal: they depend on more than f64 can tell (codes, ties, samples). */
  readonly loose?: boolean
}

export type AnyOp = Op<OpInputs, unknown, OpOutputs>

export function isOp(value: unknown): value is AnyOp {
  return typeof value === 'object' && value !== null && 'outputs' in value && 'reference' in value
}

/** A row of a function: `call` gets what `plan` made, or what became of it. */
export function functionRow<P>(
  name: string,
  plan: (dice: Dice) => Arguments<P>,
  call: (inputs: Inputs, params: P) => Result | readonly Result[],
  options: Pick<Row, 'loose'> = {},
): Row {
  return {
    name,
    plan,
    call: (inputs, params) => {
      const result = call(inputs, params as P)
      return typeof result === 'number' || result instanceof Tensor ? [result] : result
    },
    ...options,
  }
}

// ---- plans of tensors -------------------------------------------------------------------------------------------

export const f32 = (...shape: number[]): InputPlan => ({ shape, dtype: 'f32' })
export const i32 = (values: readonly number[]): InputPlan => ({
  shape: [values.length],
  dtype: 'i32',
  values,
})
export const ids = (below: number, ...shape: number[]): InputPlan => ({
  shape,
  dtype: 'i32',
  values: { below },
})
export const bytes = (...shape: number[]): InputPlan => ({ shape, dtype: 'u8', values: { below: 256 } })
export function floats(dtype: DType): (...shape: number[]) => InputPlan {
  return (...shape) => ({ shape, dtype })
}

/** Mostly small, sometimes across the borders of vectors, tiles and threads, sometimes nothing. */
export function size(dice: Dice, most = 300): number {
  const kind = dice.float()
  if (kind < 0.06) return 0
  if (kind < 0.7) return dice.between(1, Math.min(9, most))
  return dice.between(1, most)
}

export function shapeOf(dice: Dice, rank: number = dice.int(4)): number[] {
  const shape = Array.from({ length: rank }, () => size(dice, 7))
  if (rank > 0 && dice.chance(0.3)) shape[rank - 1] = size(dice, 500)
  return shape
}

/** From 0 to `end` in `documents` steps. */
export function offsets(dice: Dice, documents: number, end: number): number[] {
  const inner = Array.from({ length: documents - 1 }, () => dice.int(end + 1)).toSorted((a, b) => a - b)
  return [0, ...inner, end]
}

export function key(dice: Dice): Uint32Array<ArrayBuffer> {
  return Uint32Array.from({ length: 6 }, (_, i) => (i === 5 ? dice.int(2 ** 20) : dice.uint32()))
}

export const computed = (dice: Dice): 'f32' | 'bf16' => (dice.chance(0.6) ? 'f32' : 'bf16')
