/**
 * LoftQ (Li et al. 2023, arXiv 2310.08659): the base is packed in 4 or 8 bits, and the factors start as the best that can be said of rank r about
 * what the packing lost.
 *
 *   repeat:  Q = packed(W − s·B·A),  s·B·A = the r largest singular values of W − Q
 *
 * As PEFT's `loftq_bits`: 4 is nf4 in blocks of 64 without double quantization; 8 is int8 by rows, and what goes into its products is not
 * rounded. The base stays packed as long as the factors live; the weight of the layer then comes back. PEFT leaves s out, so that its start is right only where alpha = r; both are the same there.
 */
import {
  type BaseLayer,
  cast,
  denseWeight,
  dequantizeWeight,
  isQuantized,
  matrixTensor,
  affine,
  matmul,
  noGrad,
  quantize4bit,
  quantizeInt8,
  type QuantizedWeight,
  scoped,
  sub,
  type Tensor,
  tensorMap,
  topSingular,
  TrituneError,
} from '../../../core/mod.ts'
import { factorPair, leaf, type LoraFactorPair } from '../lora/lora-factors.ts'
import type { LoraOptions } from '../lora/lora-options.ts'
import { splitSingular } from './base-part.ts'
import { TINY } from '../weight-product.ts'
import type { InitContext } from './init-context.ts'

/** E_ADAPTER for a weight that is packed already, or that another layer has too. */
export function loftqFactors(
  layer: BaseLayer,
  { rank, loftq: { bits, iterations } = { bits: 4, iterations: 1 } }: LoraOptions,
  { random, scale }: InitContext,
): LoraFactorPair {
  const { path, weight, tiedTo, device } = layer
  if (isQuantized(weight))
    throw new TrituneError(
      'E_ADAPTER',
      `${path}: loftq packs the weight itself, and it is ${weight.kind} already`,
      {
        remedy: 'leave quantizer out: loftq packs the layers that it is on',
      },
    )
  if (tiedTo !== null)
    throw new TrituneError(
      'E_ADAPTER',
      `${path} has its weight in common with ${tiedTo}, which loftq would pack too`,
      {
        remedy: 'leave it out of the targets',
      },
    )
  let packed: QuantizedWeight | null = null
  const factors = noGrad(() =>
    scoped(() => {
      const whole = cast(denseWeight(layer), 'f32')
      let rest = whole
      let a: Tensor | null = null
      let b: Tensor | null = null
      for (let i = 0; i < iterations; i++) {
        packed?.[Symbol.dispose]()
        packed = owned(bits === 8 ? quantizeInt8(rest, { threshold: TINY }) : quantize4bit(rest, NF4))
        const lost = sub(whole, dequantizeWeight(packed))
        const parts = splitSingular(topSingular(tensorMap(lost), rank, random), scale)
        a = matrixTensor(parts.a, device)
        b = matrixTensor(parts.b, device)
        if (i + 1 < iterations) rest = sub(whole, affine(matmul(b, a), { scale }))
      }
      if (!a || !b) throw new TrituneError('E_VALUE', 'loftq needs an iteration')
      return { a, b }
    }),
  )
  const now = expectPacked(packed)
  layer.weight = now
  const pair = factorPair(leaf(factors.a), leaf(factors.b))
  return {
    ...pair,
    [Symbol.dispose]() {
      pair[Symbol.dispose]()
      if (layer.weight === now) layer.weight = weight
      now[Symbol.dispose]()
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const NF4 = { kind: 'nf4', block: 64, doubleQuant: false } as const

/** Its parts outlive the scope that they were made in. */
function owned(packed: QuantizedWeight): QuantizedWeight {
  const { data, scale, nested } = packed.parts
  for (const part of nested ? [data, scale, nested] : [data, scale]) part.adopt(null)
  return packed
}

function expectPacked(packed: QuantizedWeight | null): QuantizedWeight {
  if (packed) return packed
  throw new TrituneError('E_VALUE', 'loftq needs an iteration')
}
