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
  type AdapterDefinition,
  defineConfig,
  type FloatDType,
  type Layer,
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
import * as v from 'valibot'
import { decimal, flag, integer, optional } from '../../core/contracts/config-fields.ts'

// ---- options ----------------------------------------------------------------------------------------------------

export interface LoraOptions {
  readonly rank: number
  readonly alpha: number
  /** Chance to drop an input of A, in [0, 1). */
  readonly dropout: number
  readonly rsLora: boolean
  /** true: A kaiming-uniform, B zero (PEFT's default); gaussian: A ~ N(0, 1/r²), B zero; false: both random (for tests). */
  readonly init: boolean | 'gaussian'
}

const schema: v.GenericSchema<unknown, LoraOptions> = v.strictObject({
  rank: optional(integer({ min: 1 }), 8),
  alpha: optional(decimal({ above: 0 }), 8),
  dropout: optional(decimal({ min: 0, below: 1 }), 0),
  rsLora: optional(flag(), false),
  init: optional(v.union([v.boolean(), v.literal('gaussian')], 'expected true, false or gaussian'), true),
})

// ---- definition -------------------------------------------------------------------------------------------------

/** The definition for plugins and YAML. In TypeScript: `lora.create(layer, { rank: 8, … }, { seed })`. */
export const lora: AdapterDefinition<LoraOptions> = {
  name: 'lora',
  options: defineConfig(schema),
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
}

export function createLora(
  layer: Layer,
  options: LoraOptions,
  { seed }: { readonly seed: number },
): LoraAdapter {
  const [outputs, inputs] = layer.weight.shape
  const { rank, alpha, dropout, rsLora, init } = options
  if (rank > Math.min(outputs, inputs)) {
    throw new TrituneError(
      'E_ADAPTER',
      `${layer.path}: rank ${rank} is larger than the layer (${outputs}, ${inputs})`,
      { remedy: 'lower lora_r' },
    )
  }
  const device = layer.weight.device
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
      linear(x, base.weight, {
        bias: base.bias ?? undefined,
        lora: { a, b, scale, dropout: currentNoise() ? dropout : 0, site },
      }),
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
