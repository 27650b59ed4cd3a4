/**
 * LoRA (Hu et al. 2021, arXiv 2106.09685) and rsLoRA (Kalajdzievski 2023, arXiv 2312.03732), on linear layers, the head, embeddings.
 *
 *   y = x·Wᵀ + b + s·((drop(x)·Aᵀ)·Bᵀ + c)      A (r, in), B (out, r), s = α/r, with rsLoRA α/√r; c (out) with loraBias
 *
 * Base layer and change run as one fused op; no (out, in) temporary is made. The factors are f32 whatever the base is. DoRA is
 * in dora.ts, embeddings are in lora-embedding.ts; how the factors start, and what of the weight they take over, is in init/.
 */
import {
  add,
  affine,
  cast,
  createRandom,
  currentNoise,
  baseForward,
  type BaseLayer,
  dropout as dropped,
  type FloatDType,
  type LayerAdapterDefinition,
  linear,
  siteOf,
  sub,
  type Tensor,
  zeros,
} from '../../../core/mod.ts'
import { folded } from '../delta/fold.ts'
import { createDora } from './dora.ts'
import { initialFactors } from '../init/initial-factors.ts'
import { createLoraEmbedding } from '../lora/lora-embedding.ts'
import {
  change,
  effective,
  expectRank,
  leaf,
  type LoraAdapter,
  type LoraFactorPair,
  scaleOf,
  storedFactors,
} from '../lora/lora-factors.ts'
import { loraFormat } from '../lora/lora-format.ts'
import { type LoraOptions, loraOptions } from '../lora/lora-options.ts'

// ---- definition -------------------------------------------------------------------------------------------------

/** The definition for plugins and YAML. In TypeScript: `lora.create(layer, { rank: 8, … }, { seed })`. */
export const lora: LayerAdapterDefinition<LoraOptions> = {
  name: 'lora',
  options: loraOptions,
  kinds: ['linear', 'head', 'embedding'],
  peft: loraFormat,
  create: createLora,
}

// ---- layer ------------------------------------------------------------------------------------------------------

/**
 * A LoRA for one layer, with initial values that `seed` and the layer's path decide. Throws E_ADAPTER when the rank is
 * larger than the layer, or when it cannot start as `init` says.
 */
export function createLora(
  layer: BaseLayer,
  options: LoraOptions,
  { seed }: { readonly seed: number },
): LoraAdapter {
  if (options.dora) return createDora(layer, options, { seed })
  expectRank(layer, options)
  const random = createRandom(seed, siteOf(layer.path))
  const scale = scaleOf(options)
  if (layer.kind === 'embedding') return createLoraEmbedding(layer, options, { random, scale })
  const factors = initialFactors(layer, options, { random, scale })
  return createLinear(
    layer,
    options,
    factors,
    scale,
    () => (2 * random.float() - 1) / Math.sqrt(options.rank),
  )
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function createLinear(
  { path, outputs, device, bias: ownBias }: BaseLayer,
  options: LoraOptions,
  factors: LoraFactorPair,
  scale: number,
  drawBias: () => number,
): LoraAdapter {
  const { a, b, start } = factors
  const site = siteOf(path)
  const c = options.loraBias ? leaf(zeros([outputs], { device })) : null
  if (c && options.init === false) c.set(Float32Array.from({ length: outputs }, drawBias))
  const biasOf = ({ bias }: BaseLayer, dtype: FloatDType): Tensor | null => {
    if (!c) return bias
    const own = affine(c, { scale })
    return cast(bias ? add(cast(bias, 'f32'), own) : own, dtype)
  }
  return {
    kind: 'lora',
    options,
    a,
    b,
    scale,
    forward(x, base) {
      const layer = { ...base, bias: biasOf(base, x.dtype as FloatDType) }
      const dropout = currentNoise() ? options.dropout : 0
      // What is taken off the base sees all of x, so it is a change of its own where the trained one does not.
      if (!start || dropout === 0)
        return baseForward(layer, x, { lora: { ...effective(factors), scale, dropout, site } })
      const y = baseForward(layer, x, { lora: { a, b, scale, dropout, site } })
      return sub(y, lowRank(x, start.a, start.b, scale))
    },
    delta(x) {
      const y = start
        ? sub(lowRank(seen(x, options.dropout, site), a, b, scale), lowRank(x, start.a, start.b, scale))
        : lowRank(seen(x, options.dropout, site), a, b, scale)
      return c ? add(y, cast(affine(c, { scale }), x.dtype as FloatDType)) : y
    },
    parameters: () => ({
      'lora_A.weight': a,
      'lora_B.weight': b,
      ...(c ? { 'lora_B.bias': c } : {}),
    }),
    ...storedFactors(factors, { a: 'lora_A.weight', b: 'lora_B.weight' }),
    // As in PEFT: a trained bias goes into that of the layer, or nowhere.
    ...(c && !ownBias
      ? {}
      : {
          merge: (weight: Tensor) => changed(weight, factors, scale),
          unmerge: (weight: Tensor) => changed(weight, factors, -scale),
        }),
    ...(c ? { mergeBias: (bias: Tensor) => biasWith(bias, c, scale) } : {}),
    [Symbol.dispose]() {
      factors[Symbol.dispose]()
      c?.dispose()
    },
  }
}

function seen(x: Tensor, p: number, site: number): Tensor {
  return currentNoise() ? dropped(x, { p, site }) : x
}

/** s·(x·Aᵀ)·Bᵀ in the dtype of x. */
function lowRank(x: Tensor, a: Tensor, b: Tensor, scale: number): Tensor {
  const dtype = x.dtype as FloatDType
  return affine(linear(linear(x, cast(a, dtype)), cast(b, dtype)), { scale })
}

function biasWith(bias: Tensor, c: Tensor, scale: number): Tensor {
  return folded(bias, (wide) => add(wide, affine(c, { scale })))
}

/** W + s·B·A, computed in f32, rounded once to the dtype of W. */
function changed(weight: Tensor, factors: LoraFactorPair, scale: number): Tensor {
  return folded(weight, (wide) => add(wide, change(factors, scale)))
}
