/**
 * The tensor types of ggml: name, elements per block, bytes per block. All types have their sizes here, so that any file
 * can be listed and checked; which of them can be decoded is in dequantize.ts.
 * Source: ggml.h and GGML_QUANT_SIZES of the gguf Python package.
 */
import { didYouMean, TrituneError } from '../../core/errors.ts'

/** A type of tensors: its number in a file, its name, and the blocks that it is stored in. */
export interface GgmlType {
  readonly id: number
  readonly name: string
  readonly blockElements: number
  readonly blockBytes: number
}

const TABLE: readonly (readonly [id: number, name: string, blockElements: number, blockBytes: number])[] = [
  [0, 'F32', 1, 4],
  [1, 'F16', 1, 2],
  [2, 'Q4_0', 32, 18],
  [3, 'Q4_1', 32, 20],
  [6, 'Q5_0', 32, 22],
  [7, 'Q5_1', 32, 24],
  [8, 'Q8_0', 32, 34],
  [9, 'Q8_1', 32, 40],
  [10, 'Q2_K', 256, 84],
  [11, 'Q3_K', 256, 110],
  [12, 'Q4_K', 256, 144],
  [13, 'Q5_K', 256, 176],
  [14, 'Q6_K', 256, 210],
  [15, 'Q8_K', 256, 292],
  [16, 'IQ2_XXS', 256, 66],
  [17, 'IQ2_XS', 256, 74],
  [18, 'IQ3_XXS', 256, 98],
  [19, 'IQ1_S', 256, 50],
  [20, 'IQ4_NL', 32, 18],
  [21, 'IQ3_S', 256, 110],
  [22, 'IQ2_S', 256, 82],
  [23, 'IQ4_XS', 256, 136],
  [24, 'I8', 1, 1],
  [25, 'I16', 1, 2],
  [26, 'I32', 1, 4],
  [27, 'I64', 1, 8],
  [28, 'F64', 1, 8],
  [29, 'IQ1_M', 256, 56],
  [30, 'BF16', 1, 2],
  [34, 'TQ1_0', 256, 54],
  [35, 'TQ2_0', 256, 66],
  [39, 'MXFP4', 32, 17],
  [40, 'NVFP4', 64, 36],
]

/** How GGUF files store tensors, by the number of the type in the file. */
export const GGML_TYPES: ReadonlyMap<number, GgmlType> = new Map(
  TABLE.map(([id, name, blockElements, blockBytes]) => [id, { id, name, blockElements, blockBytes }]),
)

const BY_NAME: ReadonlyMap<string, GgmlType> = new Map(
  [...GGML_TYPES.values()].map((type) => [type.name, type]),
)

/** The type of a name, `Q4_K`. E_NAME for one that ggml has not. */
export function ggmlType(name: string): GgmlType {
  const type = BY_NAME.get(name)
  if (type !== undefined) return type
  throw new TrituneError('E_NAME', `there is no ggml type "${name}"`, {
    remedy: didYouMean(name, BY_NAME.keys()),
  })
}
