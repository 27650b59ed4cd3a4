/**
 * The two factors of a LoRA, and those that they started as where the start was taken out of the base.
 *
 *   W + s·(B·A − B₀·A₀) = W + s·B'·A'      A' = [A; A₀], B' = [B, −B₀]
 *
 * PiSSA and OLoRA start as a part of the weight. PEFT subtracts it from the base; here the base stays as it is, and the same low
 * rank update takes it off. So a tied, packed or shared weight is never another one, nothing is rounded twice, and A', B' are a
 * plain LoRA of the original base: what is stored.
 */
import {
  affine,
  type Adapter,
  type BaseLayer,
  concat,
  matmul,
  noGrad,
  parameter,
  scoped,
  slice,
  type Tensor,
  TrituneError,
} from '../../../core/mod.ts'
import { copyElements } from '../../../core/tensor/tensor-bytes.ts'
import { lasting } from '../delta/leaves.ts'
import type { LoraOptions } from './lora-options.ts'

/** Factors of a product B·A. */
export interface Factors {
  /** (r, in) f32 */
  readonly a: Tensor
  /** (out, r) f32 */
  readonly b: Tensor
}

/** The trained factors, and the frozen ones that they started as. Owns all. */
export interface LoraFactorPair extends Factors, Disposable {
  readonly start: Factors | null
}

/** A LoRA adapter; also what `loadAdapter` makes from a PEFT folder. */
export interface LoraAdapter extends Adapter {
  readonly kind: 'lora' | 'dora'
  readonly options: LoraOptions
  /** (r, in) f32; of an embedding (r, ids) */
  readonly a: Tensor
  /** (out, r) f32 */
  readonly b: Tensor
  readonly scale: number
}

/** α/r, with rsLoRA α/√r. */
export function scaleOf({ rank, alpha, rsLora }: LoraOptions): number {
  return rsLora ? alpha / Math.sqrt(rank) : alpha / rank
}

/**
 * Throws E_ADAPTER for a rank that the start cannot have: directions of the weight are not more than it has. Random factors of any rank
 * work, and files have them: `cat` of PEFT adds the ranks of adapters up.
 */
export function expectRank(layer: BaseLayer, options: LoraOptions): void {
  if (typeof options.init !== 'boolean' && options.init !== 'gaussian') expectUsefulRank(layer, options)
}

/** Whether more than this rank could learn no more. */
export function isUsefulRank(
  { inputs, outputs }: Pick<BaseLayer, 'inputs' | 'outputs'>,
  { rank }: Pick<LoraOptions, 'rank'>,
): boolean {
  return rank <= Math.min(outputs, inputs)
}

/** Throws E_ADAPTER for a rank above which there is nothing to learn. */
export function expectUsefulRank(
  layer: Pick<BaseLayer, 'path' | 'inputs' | 'outputs'>,
  options: Pick<LoraOptions, 'rank'>,
): void {
  if (isUsefulRank(layer, options)) return
  const { path, inputs, outputs } = layer
  throw new TrituneError(
    'E_ADAPTER',
    `${path}: rank ${options.rank} is larger than the layer (${outputs}, ${inputs})`,
    { remedy: 'lower lora_r, or that of this layer in lora_rank_pattern' },
  )
}

/** Trained tensors that no scope owns: they live as long as the adapter. */
export function leaf(made: Tensor): Tensor {
  return parameter(lasting(made))
}

/** Joins factors; `start` is what the base gives away to them. */
export function factorPair(a: Tensor, b: Tensor, start: Factors | null = null): LoraFactorPair {
  const all = [a, b, ...(start ? [start.a, start.b] : [])]
  return {
    a,
    b,
    start,
    [Symbol.dispose]() {
      for (const one of all) one.dispose()
    },
  }
}

/** A' and B': a and b alone where nothing was taken off. Recorded on the tape. */
export function effective({ a, b, start }: LoraFactorPair): Factors {
  if (!start) return { a, b }
  return {
    a: concat([a, start.a]),
    b: concat([b, affine(start.b, { scale: -1 })], { axis: 1 }),
  }
}

/** s·B'·A' (out, in) f32; not recorded. */
export function change(factors: LoraFactorPair, scale: number): Tensor {
  return noGrad(() =>
    scoped(() => {
      const { a, b } = effective(factors)
      return affine(matmul(b, a), { scale })
    }),
  )
}

/** How A' and B' stand in the file, for factors that have a start. */
export function storedFactors(
  factors: LoraFactorPair,
  names: { readonly a: string; readonly b: string },
  others: Readonly<Record<string, Tensor>> = {},
): Pick<Adapter, 'stored'> {
  const { a, b, start } = factors
  if (!start) return {}
  const [rank] = a.shape
  return {
    stored: {
      make() {
        const { a: a2, b: b2 } = noGrad(() => scoped(() => ({ ...effective(factors) })))
        return {
          [names.a]: lasting(a2),
          [names.b]: lasting(b2),
          ...Object.fromEntries(Object.entries(others).map(([name, one]) => [name, one.alias()])),
        }
      },
      take(tensors) {
        noGrad(() =>
          scoped(() => {
            const [a2, b2] = [tensors[names.a], tensors[names.b]]
            copyElements(a, slice(a2, { end: rank }))
            copyElements(start.a, slice(a2, { start: rank }))
            copyElements(b, slice(b2, { axis: 1, end: rank }))
            copyElements(start.b, affine(slice(b2, { axis: 1, start: rank }), { scale: -1 }))
            return {}
          }),
        )
      },
    },
  }
}
