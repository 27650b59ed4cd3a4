/**
 * Starts that take a part of the weight over: what is trained is that part, and the base loses it (lora-factors.ts).
 *
 *   PiSSA (Meng et al. 2024, arXiv 2404.02948)      W ≈ U·S·Vᵀ: A = √(S/s)·Vᵀ, B = U·√(S/s); pissa_niter_<n>: by n rounds of subspace iteration
 *   OLoRA (Büyükakyüz 2024, arXiv 2406.01775)       W = Q·R: A = R_r, B = Q_r
 *
 * The weight may be packed: its part is that of what it stands for. s·B·A is the part itself, with OLoRA times s, as in PEFT.
 */
import {
  type BaseLayer,
  cast,
  denseWeight,
  type Draws,
  type LinearMap,
  type Matrix,
  matrixTensor,
  noGrad,
  roughSingular,
  scoped,
  type Singular,
  slice,
  tensorMap,
  tensorMatrix,
  tensorScope,
  type Tensor,
  thinQr,
  topSingular,
} from '../../../core/mod.ts'
import { lasting } from '../delta/leaves.ts'
import { factorPair, type Factors, leaf, type LoraFactorPair } from '../lora/lora-factors.ts'
import { type LoraOptions, PISSA_ROUNDS } from '../lora/lora-options.ts'
import type { InitContext } from './init-context.ts'

export function baseFactors(
  layer: BaseLayer,
  { init, rank }: LoraOptions,
  { random, scale }: InitContext,
): LoraFactorPair {
  const { device } = layer
  const { a, b } = noGrad(() =>
    partOf(
      scoped(() => cast(denseWeight(layer), 'f32')),
      { init, rank, scale, draws: random },
    ),
  )
  const made = (): Factors => ({ a: matrixTensor(a, device), b: matrixTensor(b, device) })
  const [trained, start] = [made(), made()]
  return factorPair(leaf(trained.a), leaf(trained.b), { a: lasting(start.a), b: lasting(start.b) })
}

/** A and B with s·B·A = u·diag(s)·vᵀ, the singular values shared out between them. */
export function splitSingular(
  { u, s, v }: Singular,
  scale: number,
): { readonly a: Matrix; readonly b: Matrix } {
  const roots = s.map((value) => Math.sqrt(value / scale))
  const b = { ...u, data: u.data.map((value, i) => value * roots[i % u.columns]) }
  const a = { rows: v.columns, columns: v.rows, data: new Float64Array(v.data.length) }
  for (let i = 0; i < v.rows; i++)
    for (let j = 0; j < v.columns; j++) a.data[j * v.rows + i] = v.data[i * v.columns + j] * roots[j]
  return { a, b }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

interface Part {
  readonly init: LoraOptions['init']
  readonly rank: number
  readonly scale: number
  readonly draws: Draws
}

/** Of a weight (out, in) f32, which is freed. */
function partOf(
  weight: Tensor,
  { init, rank, scale, draws }: Part,
): { readonly a: Matrix; readonly b: Matrix } {
  using own = weight
  const map = tensorMap(own)
  if (init === 'olora') return orthonormalPart(own, map, rank)
  const rounds = typeof init === 'string' ? PISSA_ROUNDS.exec(init)?.[1] : undefined
  const singular =
    rounds === undefined ? topSingular(map, rank, draws) : roughSingular(map, rank, Number(rounds), draws)
  return splitSingular(singular, scale)
}

/** Q of the first r columns, which is all of Q_r; R_r = Q_rᵀ·W. */
function orthonormalPart(
  weight: Tensor,
  map: LinearMap,
  rank: number,
): { readonly a: Matrix; readonly b: Matrix } {
  using _scope = tensorScope()
  const first = tensorMatrix(slice(weight, { axis: 1, end: rank }))
  const { q, r } = thinQr(first)
  const across = map.timesTransposed(q)
  const a = { rows: rank, columns: across.rows, data: new Float64Array(across.data.length) }
  for (let i = 0; i < across.rows; i++)
    for (let j = 0; j < rank; j++)
      // What stands left of the diagonal is 0 but for rounding, and r is known to f64.
      a.data[j * across.rows + i] = i < rank ? r.data[j * rank + i] : across.data[i * rank + j]
  return { a, b: q }
}
