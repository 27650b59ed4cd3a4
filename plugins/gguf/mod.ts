/**
 * GGUF files: read, decoded, and seen as Hugging Face models. See README.md.
 *
 * @module
 */
export { dequantize } from './dequantize.ts'

export { type GgufHfConfig, type GgufHfModel, type GgufHfTensor, ggufToHf } from './hf.ts'
export {
  ggufBoolean,
  type GgufFile,
  ggufNumber,
  ggufNumbers,
  type GgufScalar,
  ggufString,
  ggufStrings,
  type GgufTensor,
  type GgufValue,
  openGguf,
} from './read.ts'
export { type GgufTokenizer, ggufTokenizer } from './tokenizer.ts'
export { readGgufRows, readGgufTensor, type RowRange, rowElements } from './tensor.ts'
export { GGML_TYPES, type GgmlType } from './types.ts'
