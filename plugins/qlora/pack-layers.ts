/**
 * What a quantizer does to the layers of a base model while it is loaded.
 *
 * Only weights in a form that ops multiply by (nf4, fp4, int8, ternary) stay packed. What a plugin packs in a form of its own is turned back at
 * once: the layer computes with the values of the packed form, and no memory is saved.
 */
import { type FloatDType, formatShape, sameShape, TrituneError, type WeightSource } from '../../core/mod.ts'
import { isPackedWeight, type Quantizer } from './quantizers.ts'
import { isSkipped } from './skip-modules.ts'

/** Options of `packLayers()`. */
export interface PackLayersOptions {
  /** Modules that stay as they are, named as transformers' `llm_int8_skip_modules` names them. */
  readonly skip?: readonly string[]
}

/** Packs each linear layer while the model is loaded, so that one weight at a time is there in full. */
export function packLayers(
  quantizer: Quantizer,
  dtype: FloatDType,
  { skip = [] }: PackLayersOptions = {},
): NonNullable<WeightSource['pack']> {
  return (path, weight) => {
    if (isSkipped(path, skip)) return null
    const packed = quantizer.quantize(weight)
    if (!sameShape(packed.shape, weight.shape)) {
      packed[Symbol.dispose]()
      throw new TrituneError(
        'E_PLUGIN',
        `the quantizer made ${formatShape(packed.shape)} of ${path}, which is ${formatShape(weight.shape)}`,
      )
    }
    if (isPackedWeight(packed)) return packed
    try {
      return quantizer.dequantize(packed, dtype)
    } finally {
      packed[Symbol.dispose]()
    }
  }
}
