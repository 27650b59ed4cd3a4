/**
 * LoHa, the Hadamard product of two low-rank matrices (Hyeon-Woo et al. 2021, arXiv 2108.06098; PEFT's LOHA).
 *
 *   ΔW = s·(w1a·w1b) ∘ (w2a·w2b)      w1a, w2a (out, r), w1b, w2b (r, in), s = α/r; w2b 0 at the start
 *
 * ΔW has rank r² at most: its factors are the products of columns, and of rows, in pairs (Khatri–Rao). While r² is small beside the layer
 * the change runs as a LoRA of that rank, fused with the layer, and no (out, in) matrix is made. Beyond, one is made for the product of
 * one layer at a time.
 */
import {
  type Adapter,
  add,
  affine,
  baseForward,
  type BaseLayer,
  cast,
  createRandom,
  defineOptions,
  type FloatDType,
  flag,
  isQuantized,
  type LayerAdapterDefinition,
  linear,
  matmul,
  mul,
  optional,
  reshape,
  siteOf,
  sub,
  type Tensor,
  type ValidatableConfig,
} from '../../../core/mod.ts'
import { denseChange, throughDense } from '../delta/dense.ts'
import { isModuleDropped, nothing, outputMask } from '../delta/dropped.ts'
import { NO_MODULES, peftFields } from '../delta/fields.ts'
import { folded } from '../delta/fold.ts'
import { filled, kaiming } from '../delta/leaves.ts'
import { lycorisFields, type LycorisOptions, strengthOf } from '../delta/lycoris-options.ts'

// ---- definition -------------------------------------------------------------------------------------------------

/** Options of a LoHa, in PEFT's names: `attachAdapter(model, loha, loha.options.validate({ r: 8, alpha: 16 }), …)`. */
export interface LohaOptions extends LycorisOptions {
  /** false: all four factors random, so that it does something from the start. */
  readonly init_weights: boolean
}

const options: ValidatableConfig<LohaOptions> = defineOptions<LohaOptions>({
  ...lycorisFields,
  init_weights: optional(flag(), true),
})

/** The definition for plugins, YAML and `attachAdapter`. */
export const loha: LayerAdapterDefinition<LohaOptions> = {
  name: 'loha',
  options,
  kinds: ['linear', 'head'],
  peft: peftFields<LohaOptions>({
    type: 'LOHA',
    options,
    names: ['r', 'alpha', 'rank_dropout', 'module_dropout', 'init_weights', 'rank_pattern', 'alpha_pattern'],
    fixed: { modules_to_save: NO_MODULES, use_effective_conv2d: [false, true] },
  }),
  create: createLoha,
}

// ---- layer ------------------------------------------------------------------------------------------------------

function createLoha(layer: BaseLayer, own: LohaOptions, { seed }: { readonly seed: number }): Adapter {
  const { path, inputs, outputs, device } = layer
  const { rank, scale } = strengthOf(path, own)
  const random = createRandom(seed, siteOf(path))
  const w1a = kaiming(random, [outputs, rank], device)
  const w1b = kaiming(random, [rank, inputs], device)
  const w2a = kaiming(random, [outputs, rank], device)
  const w2b = own.init_weights ? filled(0, [rank, inputs], device) : kaiming(random, [rank, inputs], device)

  // Passes over the tokens that the change costs: three of rank r², or of the matrix three, and one where it can be added to the weight.
  const isThinBeside = ({ weight }: BaseLayer): boolean =>
    rank ** 2 * (inputs + outputs) * (isQuantized(weight) || weight.dtype !== 'f32' ? 1 : 3) <=
    inputs * outputs
  const mask = (): Tensor | null => outputMask(layer, own.rank_dropout, true)
  /** w1a with the rows of dropped outputs 0. */
  const rows = (kept: Tensor | null): Tensor => (kept ? mul(w1a, reshape(kept, [outputs, 1])) : w1a)
  const thin = (): { a: Tensor; b: Tensor } => ({ a: rowPairs(w1b, w2b), b: columnPairs(rows(mask()), w2a) })
  const whole = (kept: Tensor | null): Tensor =>
    mul(matmul(affine(rows(kept), { scale }), w1b), matmul(w2a, w2b))

  return {
    kind: 'loha',
    forward(x, base) {
      if (isModuleDropped(path, own.module_dropout)) return baseForward(base, x)
      return isThinBeside(base)
        ? baseForward(base, x, { lora: { ...thin(), scale } })
        : throughDense(x, base, () => whole(mask()))
    },
    delta(x, base) {
      if (isModuleDropped(path, own.module_dropout)) return nothing(x, outputs)
      if (!isThinBeside(base)) return denseChange(x, () => whole(mask()))
      const dtype = x.dtype as FloatDType
      const { a, b } = thin()
      return affine(linear(linear(x, cast(a, dtype)), cast(b, dtype)), { scale })
    },
    parameters: () => ({ hada_w1_a: w1a, hada_w1_b: w1b, hada_w2_a: w2a, hada_w2_b: w2b }),
    merge: (weight) => folded(weight, (wide) => add(wide, whole(null))),
    unmerge: (weight) => folded(weight, (wide) => sub(wide, whole(null))),
    [Symbol.dispose]() {
      for (const factor of [w1a, w1b, w2a, w2b]) factor.dispose()
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Row i·r + j: row i of a times row j of b, element by element. */
function rowPairs(a: Tensor, b: Tensor): Tensor {
  const [rank, width] = a.shape
  return reshape(mul(reshape(a, [rank, 1, width]), reshape(b, [1, rank, width])), [rank ** 2, width])
}

/** Column i·r + j: column i of a times column j of b. */
function columnPairs(a: Tensor, b: Tensor): Tensor {
  const [height, rank] = a.shape
  return reshape(mul(reshape(a, [height, rank, 1]), reshape(b, [height, 1, rank])), [height, rank ** 2])
}
