/**
 * DoRA (Liu et al. 2024, arXiv 2402.09353): a LoRA whose rows are brought to a trained length.
 *
 *   y = (m/n)∘(x·Wᵀ + s·(x·Aᵀ)·Bᵀ) + b      m (out) trained, n = ‖W + s·B·A‖ of each row, which has no gradient
 *
 *   n² = ‖W‖² + 2s·rowdot(B, W·Aᵀ) + s²·rowdot(B·(A·Aᵀ), B)      no (out, in) temporary, ‖W‖² is known
 *
 * With dropout, PEFT drops inputs of the whole change but not of the base: y = x·Wᵀ + b + (m/n − 1)∘(d·Wᵀ) + (m/n)∘s·(d·Aᵀ)·Bᵀ, d =
 * drop(x).
 */
import {
  add,
  affine,
  type BaseLayer,
  baseForward,
  cast,
  createRandom,
  currentNoise,
  div,
  dropout as dropped,
  type FloatDType,
  type LayerAdapterDefinition,
  linear,
  mul,
  noGrad,
  reshape,
  scoped,
  siteOf,
  sub,
  type Tensor,
  type ValidatableConfig,
} from '../../../core/mod.ts'
import { folded } from '../delta/fold.ts'
import { loraFormat } from '../lora/lora-format.ts'
import { MAGNITUDE, rowLengths } from '../lora/dora-lengths.ts'
import { gained } from '../gained.ts'
import { initialFactors } from '../init/initial-factors.ts'
import { createLoraEmbedding } from '../lora/lora-embedding.ts'
import {
  change,
  effective,
  expectRank,
  type Factors,
  leaf,
  type LoraAdapter,
  scaleOf,
  storedFactors,
} from '../lora/lora-factors.ts'
import { type LoraOptions, loraOptions } from '../lora/lora-options.ts'
import { rowSquares } from '../weight-product.ts'

// ---- definition -------------------------------------------------------------------------------------------------

const doraOptions: ValidatableConfig<LoraOptions> = {
  ...loraOptions,
  validate: (input) =>
    loraOptions.validate(
      typeof input === 'object' && input !== null ? { ...input, dora: true } : { dora: true },
    ),
}

/** The definition for plugins and YAML: `lora` with `dora: true`. Its files are those of a LoRA with use_dora. */
export const dora: LayerAdapterDefinition<LoraOptions> = {
  name: 'dora',
  options: doraOptions,
  kinds: ['linear', 'head', 'embedding'],
  peft: loraFormat,
  create: createDora,
}

// ---- layer ------------------------------------------------------------------------------------------------------

/** A DoRA for one layer; as `createLora()`. */
export function createDora(
  layer: BaseLayer,
  given: LoraOptions,
  { seed }: { readonly seed: number },
): LoraAdapter {
  const options = { ...given, dora: true }
  expectRank(layer, options)
  const random = createRandom(seed, siteOf(layer.path))
  const scale = scaleOf(options)
  if (layer.kind === 'embedding') return createLoraEmbedding(layer, options, { random, scale })
  const factors = initialFactors(layer, options, { random, scale })
  const { a, b, start } = factors
  const site = siteOf(layer.path)
  const squares = rowSquares(layer)
  squares.adopt(null)
  const lengths = (of: Factors): Tensor => rowLengths(squares, of, scale, layer)
  const m = leaf(noGrad(() => scoped(() => lengths(effective(factors)))))
  /** (m/n) (out) f32; only m has a gradient. */
  const gainOf = (of: Factors): Tensor =>
    div(
      m,
      noGrad(() => scoped(() => lengths(of))),
    )
  /** W ← (m/n)∘(W + s·B·A), or back. */
  const fold = (weight: Tensor, back: boolean): Tensor =>
    folded(weight, (wide) => {
      const gain = reshape(gainOf(effective(factors)), [-1, 1])
      const update = change(factors, scale)
      return back ? sub(div(wide, gain), update) : mul(add(wide, update), gain)
    })
  return {
    kind: 'dora',
    options,
    a,
    b,
    scale,
    forward(x, base) {
      const bare = { ...base, bias: null }
      const both = effective(factors)
      const gain = gainOf(both)
      if (!currentNoise() || options.dropout === 0) {
        const y = gained(baseForward(bare, x, { lora: { ...both, scale } }), gain)
        return base.bias ? add(y, base.bias) : y
      }
      const d = dropped(x, { p: options.dropout, site })
      const off = start ? { lora: { a: start.a, b: affine(start.b, { scale: -1 }), scale } } : {}
      const own = cast(sub(gain, 1), x.dtype as FloatDType)
      const turned = mul(baseForward(bare, d, off), own)
      return add(add(baseForward(base, x, off), turned), gained(lowRank(d, a, b, scale), gain))
    },
    parameters: () => ({ 'lora_A.weight': a, 'lora_B.weight': b, [MAGNITUDE]: m }),
    ...storedFactors(factors, { a: 'lora_A.weight', b: 'lora_B.weight' }, { [MAGNITUDE]: m }),
    merge: (weight) => fold(weight, false),
    unmerge: (weight) => fold(weight, true),
    [Symbol.dispose]() {
      factors[Symbol.dispose]()
      m.dispose()
      squares.dispose()
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function lowRank(x: Tensor, a: Tensor, b: Tensor, scale: number): Tensor {
  const dtype = x.dtype as FloatDType
  return affine(linear(linear(x, cast(a, dtype)), cast(b, dtype)), { scale })
}
