/**
 * The tokenizer of a model from where its files are: a folder, a GGUF file.
 */
import { createTokenizer, type Tokenizer } from './create-tokenizer.ts'
import { readTokenizerFiles, type TokenizerSource } from './files.ts'

/**
 * Loads the tokenizer of a model: of a Hugging Face folder, a .gguf file, or files that were read before.
 *
 * @throws E_TOKENIZER when there is none or it cannot be used, E_FORMAT for damaged files
 * @example
 * ```ts
 * import { loadTokenizer } from 'tritune/plugins/tokenizer'
 *
 * const tokenizer = loadTokenizer('my-model') // or a .gguf file
 * const ids = tokenizer.encode('Call me', { addSpecialTokens: false })
 * console.log(tokenizer.decode(ids)) // → Call me
 * ```
 */
export function loadTokenizer(source: TokenizerSource): Tokenizer {
  return createTokenizer(readTokenizerFiles(source))
}
