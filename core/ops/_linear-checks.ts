/**
 * What layers with plain and with packed weights ask of their LoRA factors and on the way back.
 */
import { TrituneError } from '../errors.ts'
import { expectDropout, expectNumber } from '../tensor/expect.ts'
import { expectDType } from '../tensor/op.ts'
import { expectShape, formatShape, type Shape } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'

/** Throws unless there is no factor, or a (rank, in) and b (out, rank) are f32 factors for a weight of this shape. */
export function expectFactors(
  op: string,
  a: Tensor | undefined,
  b: Tensor | undefined,
  [outFeatures, inFeatures]: Shape,
): void {
  if (!a && !b) return
  if (!a || !b) throw new TrituneError('E_SHAPE', `${op}: lora a and lora b come together`)
  expectDType(op, 'lora a', a, ['f32'])
  expectDType(op, 'lora b', b, ['f32'])
  expectShape(`${op} lora a`, a.shape, [a.shape[0], inFeatures])
  expectShape(`${op} lora b`, b.shape, [outFeatures, a.shape[0]])
}

export interface LinearGradientInputs {
  readonly dy: Tensor
  readonly x: Tensor | undefined
  readonly loraA: Tensor | undefined
  readonly loraB: Tensor | undefined
  readonly xa: Tensor | undefined
}

export interface LinearGradientParams {
  readonly scale: number
  readonly dropout: number
  readonly rng: Uint32Array<ArrayBuffer> | null
  readonly wantsDw?: boolean
  readonly wantsDa: boolean
  readonly wantsDb: boolean
}

/** Throws unless the inputs of a backward pass fit a weight (out, in), and what is wanted can be computed from them. */
export function expectLinearGradient(
  op: string,
  { dy, x, loraA, loraB, xa }: LinearGradientInputs,
  weight: Shape,
  { scale, dropout, rng, wantsDw = false, wantsDa, wantsDb }: LinearGradientParams,
): void {
  const [outFeatures, inFeatures] = weight
  expectNumber(op, 'scale', scale)
  expectDropout(op, dropout, rng)
  expectDType(op, 'dy', dy, ['f32', 'bf16'])
  if (dy.shape.length === 0) throw new TrituneError('E_SHAPE', `${op}: dy is ${formatShape(dy.shape)}`)
  expectShape(`${op} dy`, dy.shape, [...dy.shape.slice(0, -1), outFeatures])
  expectFactors(op, loraA, loraB, weight)
  if (x) {
    expectDType(op, 'x', x, [dy.dtype])
    if (x.shape.length === 0 || x.rows !== dy.rows || x.shape.at(-1) !== inFeatures)
      throw new TrituneError(
        'E_SHAPE',
        `${op}: x ${formatShape(x.shape)} does not fit dy ${formatShape(dy.shape)} and a weight ${formatShape(weight)}`,
      )
  }
  if (xa) {
    expectDType(op, 'xa', xa, ['f32'])
    expectShape(`${op} xa`, xa.shape, [dy.rows, loraA?.shape[0] ?? 0])
  }
  if ((wantsDw || wantsDa) && !x) throw new TrituneError('E_SHAPE', `${op}: dw and da need x`)
  if (wantsDb && !xa) throw new TrituneError('E_SHAPE', `${op}: db needs xa`)
  if ((wantsDa || wantsDb) && !loraA) throw new TrituneError('E_SHAPE', `${op}: da and db need the factors`)
}
