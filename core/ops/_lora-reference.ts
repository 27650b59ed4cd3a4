/**
 * The bias and the LoRA update of a linear layer in f64, shared by the references of `linear` and `linearQuantized`.
 */
import { dropoutFactors } from '../tensor/noise.ts'
import type { ReferenceArray } from '../tensor/op.ts'
import { addProduct } from './_reference.ts'

export interface UpdateArrays {
  readonly x: ReferenceArray
  readonly bias: ReferenceArray | undefined
  readonly loraA: ReferenceArray | undefined
  readonly loraB: ReferenceArray | undefined
}

export interface UpdateParams {
  readonly scale: number
  readonly dropout: number
  readonly rng: Uint32Array<ArrayBuffer> | null
}

/** xa = drop(x)·Aᵀ;  y += bias + scale·xa·Bᵀ */
export function addBiasAndUpdate(
  { x, bias, loraA, loraB }: UpdateArrays,
  params: UpdateParams,
  { y, xa }: { readonly y: ReferenceArray; readonly xa: ReferenceArray | null },
): void {
  if (bias) for (let i = 0; i < y.data.length; i++) y.data[i] += bias.data[i % bias.data.length]
  if (!loraA || !loraB || !xa) return
  const [rank, inFeatures] = loraA.shape
  const [outFeatures] = loraB.shape
  const rows = x.data.length / inFeatures
  const dropped = multiplied(x.data, dropoutFactors(params.rng, x.data.length, params.dropout))
  addProduct(xa.data, dropped, loraA.data, { m: rows, n: rank, k: inFeatures, transposeB: true })
  addProduct(y.data, xa.data, loraB.data, {
    m: rows,
    n: outFeatures,
    k: rank,
    transposeB: true,
    scale: params.scale,
  })
}

export function multiplied(x: Float64Array, factors: Float64Array | null): Float64Array {
  return factors ? x.map((value, i) => value * factors[i]) : x
}
