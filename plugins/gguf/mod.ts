/**
 * GGUF files: read, decoded, written, and seen as Hugging Face models. See README.md.
 *
 * @module
 */
export { dequantize } from './dequantize.ts'
export { type GgufFamily, type GgufModelType, ggufName } from './families/family.ts'
export { GGUF_FAMILIES, ggufFamily } from './families/table.ts'
export type { GgufOwnKeys, OwnEntries, OwnFacts, OwnReader } from './families/own-keys.ts'
export { GGUF_FILE_TYPES, type GgufFileTypeName } from './file-type-names.ts'
export { type GgufFileType, ggufFileType, type MixtureOf, tensorType } from './file-types.ts'
export { type GgufHfModel, type GgufHfTensor, ggufToHf } from './hf.ts'
export type { GgufDecoderConfig, GgufGpt2Config, GgufHfConfig } from './hf-config.ts'
export {
  type GgufLora,
  type HeadCounts,
  isGgufLora,
  type LoraPair,
  readGgufLora,
  ggufBase,
  writeGgufLora,
} from './lora.ts'
export { quantize } from './quantize.ts'
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
export {
  copiedTokenizerMetadata,
  NO_TOKENIZER,
  tokenizerMetadata,
  type TokenizerParts,
} from './tokenizer-metadata.ts'
export { readGgufRows, readGgufTensor, type RowRange, rowElements } from './tensor.ts'
export { type GgufMetadata, type GgufTypedValue, type GgufValueType, typed } from './typed-values.ts'
export { GGML_TYPES, type GgmlType, ggmlType } from './types.ts'
export { type GgufContent, ggufTensorBytes, type GgufTensorSource, writeGguf } from './write.ts'
export { type WriteGgufModel, writeGgufModel, type WrittenGguf } from './write-model.ts'
