/**
 * LoRA (Hu et al. 2021, arXiv 2106.09685) and rsLoRA (Kalajdzievski 2023, arXiv 2312.03732).
 *
 *   y = x·Wᵀ + b + s·(drop(x)·Aᵀ)·Bᵀ      A (r, in), B (out, r), s = α/r, with rsLoRA α/√r
 *
 * Base layer and change run as one fused op; no (out, in) temporary is made. A and B are f32 whatever the base is.
 */
import {
  add,
  affine,
  cast,
  createRandom,
  currentNoise,
  type Adapter,
  baseForward,
  type BaseLayer,
  dropout as dropped,
  type FloatDType,
  type LayerAdapterDefinition,
  linear,
  matmul,
  noGrad,
  parameter,
  scoped,
  siteOf,
  tensor,
  type Tensor,
  TrituneError,
  zeros,
} from '../../core/mod.ts'
import { loraFormat } from './lora-format.ts'
import { type LoraOptions, loraOptions } from './lora-options.ts'

// ---- definition -------------------------------------------------------------------------------------------------

/** The definition for plugins and YAML. In TypeScript: `lora.create(layer, { rank: 8, … }, { seed })`. */
export const lora: LayerAdapterDefinition<LoraOptions> = {
  name: 'lora',
  options: loraOptions,
  kinds: ['linear', 'head'],
  peft: loraFormat,
  create: createLora,
}

// ---- layer ------------------------------------------------------------------------------------------------------

/** A LoRA adapter; also what `loadAdapter` makes from a PEFT folder. */
export interface LoraAdapter extends Adapter {
  readonly kind: 'lora'
  readonly options: LoraOptions
  /** (r, in) f32 */
  readonly a: Tensor
  /** (out, r) f32 */
  readonly b: Tensor
  readonly scale: number
  merge(weight: Tensor): Tensor
  unmerge(weight: Tensor): Tensor
}

/**
 * A LoRA for one layer, with initial values that `seed` and the layer's path decide. Throws E_ADAPTER when the rank is
 * larger than the layer.
 */
export function createLora(
  layer: BaseLayer,
  options: LoraOptions,
  { seed }: { readonly seed: number },
): LoraAdapter {
  const { inputs, outputs, device } = layer
  const { rank, alpha, dropout, rsLora, init } = options
  if (rank > Math.min(outputs, inputs)) {
    throw new TrituneError(
      'E_ADAPTER',
      `${layer.path}: rank ${rank} is larger than the layer (${outputs}, ${inputs})`,
      { remedy: 'lower lora_r' },
    )
  }
  const random = createRandom(seed, siteOf(layer.path))
  const bound = 1 / Math.sqrt(inputs) // kaiming_uniform(a = √5)
  const drawA = init === 'gaussian' ? () => random.normal() / rank : () => (2 * random.float() - 1) * bound
  const a = leaf(
    tensor(Float32Array.from({ length: rank * inputs }, drawA), { shape: [rank, inputs], device }),
  )
  const b = leaf(
    init === false
      ? tensor(
          Float32Array.from({ length: outputs * rank }, () => (2 * random.float() - 1) / Math.sqrt(rank)),
          { shape: [outputs, rank], device },
        )
      : zeros([outputs, rank], { device }),
  )
  const scale = rsLora ? alpha / Math.sqrt(rank) : alpha / rank
  const site = siteOf(layer.path)
  return {
    kind: 'lora',
    options,
    a,
    b,
    scale,
    forward: (x, base) =>
      baseForward(base, x, { lora: { a, b, scale, dropout: currentNoise() ? dropout : 0, site } }),
    delta(x) {
      const dtype = x.dtype as FloatDType
      const seen = currentNoise() ? dropped(x, { p: dropout, site }) : x
      return affine(linear(linear(seen, cast(a, dtype)), cast(b, dtype)), { scale })
    },
    parameters: () => ({ 'lora_A.weight': a, 'lora_B.weight': b }),
    merge: (weight) => addDelta(weight, a, b, scale),
    unmerge: (weight) => addDelta(weight, a, b, -scale),
    [Symbol.dispose]() {
      a.dispose()
      b.dispose()
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** W + s·B·A, computed in f32, rounded once to the dtype of W. */
function addDelta(weight: Tensor, a: Tensor, b: Tensor, scale: number): Tensor {
  return noGrad(() =>
    scoped(() => cast(add(cast(weight, 'f32'), affine(matmul(b, a), { scale })), weight.dtype as FloatDType)),
  )
}

function leaf(made: Tensor): Tensor {
  made.adopt(null)
  return parameter(made)
}
