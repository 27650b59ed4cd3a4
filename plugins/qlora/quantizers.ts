/**
 * The built-in quantizers of a run (`quantizer:`): nf4 and fp4 in bitsandbytes' bytes (QLoRA, arXiv 2305.14314), int8 rows (LLM.int8,
 * arXiv 2208.07339), ternary (BitNet b1.58, arXiv 2402.17764). What stays packed in a model is pack-layers.ts'.
 */
import {
  type Capabilities,
  cast,
  decimal,
  defineOptions,
  type Dequantize,
  dequantizeWeight,
  flag,
  integer,
  noGrad,
  optional,
  type Quantize,
  quantize4bit,
  quantizeInt8,
  quantizeTernary,
  type QuantizedTensor,
  type QuantizedWeight,
  type QuantizerDefinition,
  type Tensor,
  TrituneError,
} from '../../core/mod.ts'

/** What a definition of a quantizer makes: it packs tensors and turns them back. */
export type Quantizer = Quantize<QuantizedTensor> & Dequantize<QuantizedTensor>

/** Options of `nf4` and `fp4`; bitsandbytes calls them `blocksize` and `compress_statistics`. */
export interface FourBitOptions {
  /** Numbers that share a scale: a power of two from 32 to 4096. */
  readonly block: number
  /** The scales as 8-bit codes. */
  readonly double_quant: boolean
}

/** Options of `int8`; transformers calls the threshold `llm_int8_threshold`. */
export interface Int8Options {
  /** Columns of x with a magnitude of this or more are multiplied without rounding; 0: all are rounded. */
  readonly threshold: number
}

/** The threshold of LLM.int8 and of transformers. */
export const INT8_THRESHOLD = 6

/** Blocks of codes for the quantiles of a normal distribution. */
export const nf4: QuantizerDefinition<FourBitOptions> = fourBit('nf4')
/** Blocks of 4-bit floats. */
export const fp4: QuantizerDefinition<FourBitOptions> = fourBit('fp4')

/** Rows of whole numbers. */
export const int8: QuantizerDefinition<Int8Options> = {
  name: 'int8',
  options: defineOptions<Int8Options>({ threshold: optional(decimal({ min: 0 }), INT8_THRESHOLD) }),
  create: ({ threshold }) => withDequantize((weight) => quantizeAsBitsandbytes(weight, threshold)),
}

/** −1, 0 and 1 with one scale. */
export const ternary: QuantizerDefinition<object> = {
  name: 'ternary',
  options: defineOptions({}),
  create: () => withDequantize(quantizeTernary),
}

/** The quantizer of a definition, with its options checked first. E_CONFIG for options that it has not. */
export function openQuantizer(
  definition: Capabilities['quantizer'],
  options: Readonly<Record<string, unknown>> = {},
): Quantizer {
  const maker: { create(options: unknown): Quantizer } = definition
  return maker.create(definition.options.validate(options))
}

/** Whether a packed tensor is in one of the forms that ops multiply by. */
export function isPackedWeight(packed: QuantizedTensor): packed is QuantizedWeight {
  return KINDS.includes(packed.kind) && 'parts' in packed
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const KINDS: readonly string[] = ['nf4', 'fp4', 'int8', 'ternary']

function fourBit(kind: 'nf4' | 'fp4'): QuantizerDefinition<FourBitOptions> {
  return {
    name: kind,
    options: defineOptions<FourBitOptions>({
      block: optional(integer({ min: 32, max: 4096 }), 64),
      double_quant: optional(flag(), true),
    }),
    create: ({ block, double_quant: doubleQuant }) =>
      withDequantize((weight) => quantize4bit(weight, { kind, block, doubleQuant })),
  }
}

/** bitsandbytes rounds to f16 before it makes codes; without that, one code in some thousands would be another. */
function quantizeAsBitsandbytes(weight: Tensor, threshold: number): QuantizedWeight {
  return noGrad(() => {
    using half = cast(weight, 'f16')
    using wide = cast(half, 'f32')
    return quantizeInt8(wide, { threshold })
  })
}

function withDequantize(quantize: (weight: Tensor) => QuantizedWeight): Quantizer {
  return {
    quantize,
    dequantize(packed, dtype = 'f32') {
      if (isPackedWeight(packed)) return dequantizeWeight(packed, dtype === 'bf16' ? 'bf16' : 'f32')
      throw new TrituneError('E_DTYPE', `"${packed.kind}" is not a packed form of this quantizer`)
    },
  }
}
