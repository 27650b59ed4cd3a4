/**
 * The built-in quantizers of a run (`quantizer:`), and what any quantizer does to the layers of a base model.
 *
 * Only weights in a form that ops multiply by (nf4, fp4, int8, ternary) stay packed. What a plugin packs in a form of its own is turned back at
 * once: the layer computes with the values of the packed form, and no memory is saved.
 */
import {
  defineOptions,
  type Dequantize,
  dequantizeWeight,
  flag,
  type FloatDType,
  formatShape,
  integer,
  optional,
  type Quantize,
  quantize4bit,
  quantizeInt8,
  quantizeTernary,
  type QuantizedTensor,
  type QuantizedWeight,
  type QuantizerDefinition,
  sameShape,
  type Tensor,
  TrituneError,
  type WeightSource,
} from '../../core/mod.ts'

export type Quantizer = Quantize<QuantizedTensor> & Dequantize<QuantizedTensor>

interface FourBitOptions {
  readonly block: number
  readonly double_quant: boolean
}

export const nf4: QuantizerDefinition<FourBitOptions> = fourBit('nf4')
export const fp4: QuantizerDefinition<FourBitOptions> = fourBit('fp4')
export const int8: QuantizerDefinition<object> = plain('int8', quantizeInt8)
export const ternary: QuantizerDefinition<object> = plain('ternary', quantizeTernary)

/** Packs each linear layer while the model is loaded, so that one weight at a time is there in full. */
export function packLayers(quantizer: Quantizer, dtype: FloatDType): NonNullable<WeightSource['pack']> {
  return (path, weight) => {
    const packed = quantizer.quantize(weight)
    if (!sameShape(packed.shape, weight.shape)) {
      packed[Symbol.dispose]()
      throw new TrituneError(
        'E_PLUGIN',
        `the quantizer made ${formatShape(packed.shape)} of ${path}, which is ${formatShape(weight.shape)}`,
      )
    }
    if (isPacked(packed)) return packed
    try {
      return quantizer.dequantize(packed, dtype)
    } finally {
      packed[Symbol.dispose]()
    }
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function fourBit(kind: 'nf4' | 'fp4'): QuantizerDefinition<FourBitOptions> {
  return {
    name: kind,
    options: defineOptions<FourBitOptions>({
      block: optional(integer({ min: 64, max: 4096 }), 64),
      double_quant: optional(flag(), true),
    }),
    create: ({ block, double_quant: doubleQuant }) =>
      withDequantize((weight) => quantize4bit(weight, { kind, block, doubleQuant })),
  }
}

function plain(name: string, quantize: (weight: Tensor) => QuantizedWeight): QuantizerDefinition<object> {
  return { name, options: defineOptions({}), create: () => withDequantize(quantize) }
}

function withDequantize(quantize: (weight: Tensor) => QuantizedWeight): Quantizer {
  return {
    quantize,
    dequantize(packed, dtype = 'f32') {
      if (isPacked(packed)) return dequantizeWeight(packed, dtype === 'bf16' ? 'bf16' : 'f32')
      throw new TrituneError('E_DTYPE', `"${packed.kind}" is not a packed form of this quantizer`)
    },
  }
}

const KINDS: readonly string[] = ['nf4', 'fp4', 'int8', 'ternary']

function isPacked(packed: QuantizedTensor): packed is QuantizedWeight {
  return KINDS.includes(packed.kind) && 'parts' in packed
}
