/**
 * BitLinear (BitNet b1.58, Ma et al. 2024, arXiv 2402.17764): a linear layer that computes with weights of −1, 0 and 1 and with
 * activations of 8 bits, and trains the weights that those are rounded from (straight-through).
 *
 *   y = Q8(x)·Qt(W)ᵀ + b      dx = dy·Qt(W)      dW = dyᵀ·Q8(x)
 *
 * Forward is the integer product; what is kept for the way back is packed too: 2 bits of each weight, 8 of each activation. The norm
 * before it is bit-linear-form.ts'.
 */
import {
  type Dequantize,
  dequantizeWeight,
  isQuantized,
  linearQuantized,
  type LoraFactors,
  noGrad,
  type Quantize,
  quantizedWeight,
  type QuantizedWeight,
  quantizeRows,
  type Tensor,
  TrituneError,
} from '../../core/mod.ts'
import { linearBackward } from '../../core/ops/linear.ts'
import { run } from '../../core/tensor/op.ts'
import { linksOf, record } from '../../core/tensor/tape.ts'

/** Packs a weight (out, in) into trits and scales, and back. */
export type TritQuantizer = Quantize<QuantizedWeight> & Dequantize<QuantizedWeight>

/** Options of `bitLinear()`: what rounds the weight, and what is added. */
export interface BitLinearOptions {
  readonly quantizer: TritQuantizer
  /** (out), in the dtype of x. */
  readonly bias?: Tensor
  /** A LoRA that sees x as it comes; for weights that are not trained. */
  readonly lora?: LoraFactors
}

/**
 * x (…, in) f32 or bf16, weight (out, in) as it is trained, or packed → (…, out). Gradients of x, of a weight that is a tensor, of the
 * bias and the factors.
 *
 * @throws E_SHAPE for shapes that do not fit, or when out is no multiple of 4
 * @example
 * ```ts
 * import { backward, parameter, sum, tensor, tensorScope } from 'tritune/core'
 * import { absMean, bitLinear } from 'tritune/plugins/bitnet'
 *
 * using _scope = tensorScope()
 * const weight = parameter(tensor([0.9, -1.1, 0.1, 2], { shape: [4, 1] })) // mean |w| 1.025
 * const y = bitLinear(tensor([2], { shape: [1, 1] }), weight, { quantizer: absMean() })
 * console.log([...y.toArray()].map((v) => Math.round(v * 100) / 100)) // → [ 2.05, -2.05, 0, 2.05 ]
 * backward(sum(y))
 * console.log([...(weight.grad?.toArray() ?? [])]) // → [ 2, 2, 2, 2 ]
 * ```
 */
export function bitLinear(
  x: Tensor,
  weight: Tensor | QuantizedWeight,
  { quantizer, bias, lora }: BitLinearOptions,
): Tensor {
  const options = { ...(bias ? { bias } : {}), ...(lora ? { lora } : {}) }
  if (isQuantized(weight)) return linearQuantized(x, weight, options)
  const links = weight.needsGrad ? linksOf({ x, weight, bias }) : null
  if (links && lora)
    throw new TrituneError('E_UNSUPPORTED', 'bitLinear: a weight is trained itself or has a LoRA, not both')
  const packed = quantizer.quantize(weight)
  if (!links) {
    try {
      return linearQuantized(x, packed, options)
    } finally {
      packed[Symbol.dispose]()
    }
  }
  const kept = [ownerless(packed), ownerless(roundedRows(x))] as const
  const release = (): void => {
    for (const one of kept) one[Symbol.dispose]()
  }
  try {
    const y = noGrad(() => linearQuantized(x, packed, options))
    record(
      {
        name: 'bit_linear',
        links,
        release,
        backward({ y: dy }, { accumulator, pending }) {
          if (!dy) return {}
          const has = (input: string): boolean => links.has(input)
          const before = has('x') ? pending('x') : null
          const into = {
            dx: before,
            dw: accumulator('weight'),
            dbias: has('bias') ? accumulator('bias') : null,
          }
          const dtype = dy.dtype === 'bf16' ? 'bf16' : 'f32'
          const [w, seen] = kept.map((one) => dequantizeWeight(one, dtype))
          const { dx } = run(
            linearBackward,
            {
              dy,
              x: seen.view(x.shape),
              weight: w,
              loraA: undefined,
              loraB: undefined,
              xa: undefined,
            },
            {
              scale: 0,
              dropout: 0,
              rng: null,
              wantsDx: has('x'),
              wantsDw: true,
              wantsDbias: into.dbias !== null,
              wantsDa: false,
              wantsDb: false,
              accumulateDx: before !== null,
            },
            into,
          )
          return { x: dx, weight: into.dw, bias: into.dbias }
        },
      },
      { y },
    )
    return y
  } catch (error) {
    release()
    throw error
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** No scope frees it: the tape does. */
function ownerless(weight: QuantizedWeight): QuantizedWeight {
  const { data, scale } = weight.parts
  for (const part of [data, scale]) part.adopt(null)
  return weight
}

/** The rows of x in 8 bits, as the product sees them. */
function roundedRows(x: Tensor): QuantizedWeight {
  const { q, absmax } = noGrad(() => quantizeRows(x))
  const data = q.view([x.rows, x.shape.at(-1) ?? 1])
  q.dispose()
  return quantizedWeight({ kind: 'int8', shape: data.shape, parts: { data, scale: absmax } })
}
