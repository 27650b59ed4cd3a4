/**
 * Quantizers that make trits of weights: AbsMean (BitNet b1.58, Ma et al. 2024, arXiv 2402.17764) and AbsMax.
 *
 *   q = clip(round(w/s), −1, 1)      s = mean|w|, with AbsMax max|w|; 1e-5 at least
 *
 * One scale for the matrix, for each row, or for each group of columns. Halves round to even, so to 0.
 */
import {
  cast,
  type Device,
  dequantizeWeight,
  noGrad,
  quantizedWeight,
  type QuantizedTensor,
  type QuantizedWeight,
  quantizeTernary,
  type Shape,
  tensor,
  type Tensor,
  TrituneError,
} from '../../core/mod.ts'
import type { TritQuantizer } from './bit-linear.ts'
import { ternarize, type TritScale } from './ternarize.ts'

/** Which weights share a scale. */
export type ScaleSpan = 'tensor' | 'row' | 'group'

/** Options of `absMean()` and `absMax()`. */
export interface TritRoundingOptions {
  /** Default: `tensor`, as in BitNet. */
  readonly span?: ScaleSpan
  /** Columns of a group: a multiple of 64 that divides in. Default: 64. */
  readonly group?: number
}

/**
 * Scales are means of magnitudes: BitNet b1.58.
 *
 * @example
 * ```ts
 * import { tensor } from 'tritune/core'
 * import { absMean } from 'tritune/plugins/bitnet'
 *
 * using weight = tensor([1, -1, 0.2, 1.8], { shape: [4, 1] })
 * const quantizer = absMean()
 * using packed = quantizer.quantize(weight)
 * using again = quantizer.dequantize(packed)
 * console.log([...again.toArray()]) // → [ 1, -1, 0, 1 ]
 * ```
 */
export function absMean(options: TritRoundingOptions = {}): TritQuantizer {
  return createQuantizer('absmean', options)
}

/**
 * Scales are largest magnitudes, so that half of the range is 0.
 *
 * @example
 * ```ts
 * import { tensor } from 'tritune/core'
 * import { absMax } from 'tritune/plugins/bitnet'
 *
 * using weight = tensor([1, -2, 0.2, 1.8], { shape: [4, 1] })
 * using packed = absMax().quantize(weight)
 * console.log(packed.parts.scale.item()) // → 2
 * ```
 */
export function absMax(options: TritRoundingOptions = {}): TritQuantizer {
  return createQuantizer('absmax', options)
}

/** A packed weight of trits and scales that are in memory. */
export function packedTrits(
  shape: Shape,
  { packed, scales }: { readonly packed: Uint8Array; readonly scales: Float32Array },
  { block, device }: { readonly block: number; readonly device: Device },
): QuantizedWeight {
  const data = tensor(packed, { shape: [shape[0] / 4, shape[1]], dtype: 'u8', device })
  const spans = block === 0 ? [1] : [shape[0], shape[1] / block]
  const scale = tensor(scales, { shape: spans, dtype: 'f32', device })
  try {
    return quantizedWeight({ kind: 'ternary', shape, parts: { data, scale }, block })
  } catch (error) {
    for (const part of [data, scale]) part.dispose()
    throw error
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function createQuantizer(
  scale: TritScale,
  { span = 'tensor', group = 64 }: TritRoundingOptions,
): TritQuantizer {
  return {
    quantize(weight) {
      const { shape, device } = weight
      const block = span === 'tensor' ? 0 : span === 'row' ? shape[1] : group
      if (scale === 'absmean') return quantizeTernary(weight, { block })
      using wide = noGrad(() => cast(weight, 'f32'))
      const values = Float32Array.from(wide.toArray())
      return packedTrits(shape, ternarize(values, shape, { scale, block }), { block, device })
    },
    dequantize(packed: QuantizedTensor, dtype = 'f32'): Tensor {
      if (isTernary(packed)) return dequantizeWeight(packed, dtype === 'bf16' ? 'bf16' : 'f32')
      throw new TrituneError('E_DTYPE', `"${packed.kind}" is not a packed form of this quantizer`)
    },
  }
}

function isTernary(packed: QuantizedTensor): packed is QuantizedWeight {
  return packed.kind === 'ternary' && 'parts' in packed
}
