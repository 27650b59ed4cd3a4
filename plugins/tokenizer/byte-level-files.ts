/**
 * The files of a byte-level tokenizer that was made here, as transformers writes them; and the one that needs no training, of single bytes.
 */
import { byteAlphabet } from './byte-level.ts'
import type { TokenizerFiles } from './parsed-files.ts'

/** Ends a text, and pads. */
export const DEFAULT_SPECIAL_TOKENS: readonly string[] = ['<|endoftext|>', '<|pad|>']

/** Tokens in the order of their ids, and which pairs become one, first to last. */
export interface BpeVocabulary {
  readonly tokens: readonly string[]
  readonly merges: readonly (readonly [string, string])[]
}

/** tokenizer.json and tokenizer_config.json; the special tokens are the first ones of the vocabulary. */
export function byteLevelFiles(
  { tokens, merges }: BpeVocabulary,
  specialTokens: readonly string[],
): TokenizerFiles {
  const [end, pad = end] = specialTokens
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true }
  return {
    place: 'a tokenizer that was made here',
    tokenizer: {
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: specialTokens.map((content, id) => ({
        id,
        content,
        single_word: false,
        lstrip: false,
        rstrip: false,
        normalized: false,
        special: true,
      })),
      normalizer: null,
      pre_tokenizer: byteLevel,
      post_processor: null,
      decoder: byteLevel,
      model: {
        type: 'BPE',
        dropout: null,
        unk_token: null,
        continuing_subword_prefix: null,
        end_of_word_suffix: null,
        fuse_unk: false,
        byte_fallback: false,
        ignore_merges: false,
        vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
        merges,
      },
    },
    config: {
      tokenizer_class: 'PreTrainedTokenizerFast',
      bos_token: end,
      eos_token: end,
      pad_token: pad,
      add_bos_token: false,
      add_prefix_space: false,
      clean_up_tokenization_spaces: false,
    },
    chatTemplates: new Map(),
    stopIds: [],
  }
}

/**
 * A token for each byte that UTF-8 has, 243 of them, and in the places of the 13 others the special tokens and reserved ones: 256 tokens that
 * take any text.
 *
 * @example
 * ```ts
 * import { byteTokenizer, loadTokenizer } from 'tritune/plugins/tokenizer'
 *
 * const tokenizer = loadTokenizer(byteTokenizer())
 * console.log(tokenizer.vocabSize, tokenizer.encode('é').length) // → 256 2
 * ```
 */
export function byteTokenizer(): TokenizerFiles {
  const bytes = byteAlphabet((byte) => byte < 0xc0 || (byte > 0xc1 && byte < 0xf5))
  const reserved = Array.from(
    { length: 256 - bytes.length - DEFAULT_SPECIAL_TOKENS.length },
    (_, i) => `<|reserved_${i}|>`,
  )
  const special = [...DEFAULT_SPECIAL_TOKENS, ...reserved]
  return byteLevelFiles({ tokens: [...special, ...bytes], merges: [] }, special)
}
