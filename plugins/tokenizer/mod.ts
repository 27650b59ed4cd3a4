/**
 * Tokenizers of Hugging Face folders and GGUF files, with chat templates. See README.md.
 *
 * @module
 */
export { createChatRenderer } from './chat.ts'
export type { ChatMessage, ChatRenderer, RenderedChat, RenderOptions } from './chat.ts'
export { readTokenizerFiles, type TokenizerFiles, type TokenizerSource } from './files.ts'
export type { DecodeStream } from './stream.ts'
export { loadTokenizer, type Tokenizer } from './tokenizer.ts'
