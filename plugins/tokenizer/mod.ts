/**
 * Tokenizers of Hugging Face folders and GGUF files, with chat templates. See README.md.
 *
 * @module
 */
export { byteTokenizer } from './byte-level-files.ts'
export { createChatRenderer } from './chat.ts'
export type { ChatMessage, ChatRenderer, RenderedChat, RenderOptions } from './chat.ts'
export { createTokenizer, type Tokenizer } from './create-tokenizer.ts'
export { readTokenizerFiles, type TokenizerSource } from './files.ts'
export { type ParsedTokenizer, type TokenizerFiles, tokenizerFilesOf } from './parsed-files.ts'
export {
  type ChangedVocabulary,
  changeVocabulary,
  type NewToken,
  type VocabularyChanges,
} from './new-tokens.ts'
export type { DecodeStream } from './stream.ts'
export { loadTokenizer } from './tokenizer.ts'
export { type BpeTrainer, createBpeTrainer, type TrainBpeOptions } from './train-bpe.ts'
