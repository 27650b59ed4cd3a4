/**
 * A trained BPE as files that tritune, transformers and Python's tokenizers load: tokenizer.json and
 * tokenizer_config.json. Byte-level BPE without special tokens around the text, as SmolLM2 and GPT-2 have it.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { writeFileAtomic } from '../../../core/files/atomic.ts'
import type { Bpe } from './bpe.ts'

/** Opens nothing, ends every document; also the unknown-free tokenizer's only control token besides padding. */
export const END_OF_TEXT = '<|endoftext|>'
export const PAD = '<|pad|>'

export function writeTokenizer(folder: string, bpe: Bpe, { contextLength }: { contextLength: number }): void {
  mkdirSync(folder, { recursive: true })
  writeFileAtomic(join(folder, 'tokenizer.json'), json(tokenizerJson(bpe)))
  writeFileAtomic(join(folder, 'tokenizer_config.json'), json(tokenizerConfig(contextLength)))
}

function tokenizerJson({ tokens, merges }: Bpe): unknown {
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true }
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [END_OF_TEXT, PAD].map((content) => ({
      id: tokens.indexOf(content),
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
  }
}

function tokenizerConfig(contextLength: number): unknown {
  return {
    tokenizer_class: 'PreTrainedTokenizerFast',
    bos_token: END_OF_TEXT,
    eos_token: END_OF_TEXT,
    pad_token: PAD,
    add_bos_token: false,
    add_prefix_space: false,
    clean_up_tokenization_spaces: false,
    model_max_length: contextLength,
  }
}

/** One entry per line would make 8000 lines of it; nobody reads it. */
function json(value: unknown): string {
  return `${JSON.stringify(value)}\n`
}
