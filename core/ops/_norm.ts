/**
 * What the gradients of both norms ask of their inputs.
 */
import { expectRows } from '../tensor/expect.ts'
import { expectDType } from '../tensor/op.ts'
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
