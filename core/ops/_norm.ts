/**
 * What both norms share: the sum that they normalise, and what their gradients ask of their inputs.
 */
import { expectRows } from '../tensor/expect.ts'
import { expectDType, type ReferenceArray } from '../tensor/op.ts'
import { expectShape } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'

export interface NormGradientInputs {
  readonly dy: Tensor
  readonly dh: Tensor | undefined
  readonly h: Tensor // (…, C)
  readonly weight: Tensor // (C)
}

/** Throws E_SHAPE, E_DTYPE unless all are (…, C) of one dtype, and the statistics f32, one number a row. */
export function expectNormGradient(
  op: string,
  { dy, dh, h, weight }: NormGradientInputs,
  statistics: Readonly<Record<string, Tensor>>,
): void {
  expectRows(`${op} h`, h.shape)
  expectDType(op, 'h', h, ['f32', 'bf16'])
  for (const [name, one] of Object.entries({ dy, dh, weight })) if (one) expectDType(op, name, one, [h.dtype])
  for (const [name, one] of Object.entries({ dy, dh }))
    if (one) expectShape(`${op} ${name}`, one.shape, h.shape)
  expectShape(`${op} weight`, weight.shape, [h.shape.at(-1) ?? 1])
  for (const [name, one] of Object.entries(statistics)) {
    expectDType(op, name, one, ['f32'])
    expectShape(`${op} ${name}`, one.shape, [h.rows])
  }
}

/** x + residual as the tensor `h` keeps it: this is normalised, for it is what the gradient sees. x where there is no residual. */
export function normed(
  x: ReferenceArray,
  residual: ReferenceArray | undefined,
  h: ReferenceArray | null,
): Float64Array {
  if (!residual || !h) return x.data
  for (const [i, value] of x.data.entries()) {
    const sum = value + residual.data[i]
    h.data[i] = h.keep?.(sum) ?? sum
  }
  return h.data
}
