/**
 * How a byte-level BPE vocabulary of a GGUF file cuts text before merging, by `tokenizer.ggml.pre`. The patterns are
 * those of the original tokenizer.json of each family, which llama.cpp's table in llama-vocab.cpp reproduces.
 * An unknown name is an error: a wrong cut gives wrong tokens without any sign.
 */

import { TrituneError, didYouMean } from '../../core/errors.ts'

export interface PreTokenizer {
  /** Applied one after the other; what does not match stays a piece of its own. */
  readonly patterns: readonly string[]
  /** A piece that is a token as a whole is not merged from characters. */
  readonly ignoreMerges: boolean
  /** A beginning-of-sequence token is added when the file does not say. */
  readonly addBos: boolean
  readonly normalizer: 'NFC' | null
}

/** @throws E_UNSUPPORTED for a name that is not in the table */
export function preTokenizer(name: string, place: string): PreTokenizer {
  const group = GROUPS.find(({ names }) => names.includes(name))
  if (group !== undefined) return group
  throw new TrituneError(
    'E_UNSUPPORTED',
    `the pre-tokenizer "${name}" is not known; ${didYouMean(name, KNOWN)}`,
    {
      place: `${place}: tokenizer.ggml.pre`,
      remedy:
        "put the model's tokenizer.json and tokenizer_config.json beside it and load the tokenizer from there",
    },
  )
}

/** The name of a way to cut; undefined when llama.cpp has none. */
export function preTokenizerName({
  patterns,
  ignoreMerges,
  normalizer,
}: Pick<PreTokenizer, 'patterns' | 'ignoreMerges' | 'normalizer'>): string | undefined {
  const same = GROUPS.find(
    (group) =>
      group.patterns.join('\0') === patterns.join('\0') &&
      group.ignoreMerges === ignoreMerges &&
      group.normalizer === normalizer,
  )
  return same?.names[0]
}

const CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
const TAIL = '\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+'
/** Of GPT-2, which ByteLevel has built in. */
export const GPT2_PATTERN =
  "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
const LLAMA3 = `${CONTRACTIONS}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|${TAIL}`
const QWEN2 = `${CONTRACTIONS}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|${TAIL}`
const UPPER = '[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]'
const LOWER = '[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]'
const TEKKEN = `[^\\r\\n\\p{L}\\p{N}]?${UPPER}*${LOWER}+|[^\\r\\n\\p{L}\\p{N}]?${UPPER}+${LOWER}*|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|${TAIL}`

const GROUPS: readonly (PreTokenizer & { readonly names: readonly string[] })[] = [
  {
    names: ['gpt-2', 'gpt2', 'phi-2', 'olmo', 'mpt', 'jais'],
    patterns: [GPT2_PATTERN],
    ignoreMerges: false,
    addBos: false,
    normalizer: null,
  },
  {
    names: ['smollm', 'starcoder', 'refact', 'command-r', 'codeshell', 'exaone', 'minerva-7b'],
    patterns: ['\\p{N}', GPT2_PATTERN],
    ignoreMerges: false,
    addBos: false,
    normalizer: null,
  },
  {
    names: ['llama-bpe', 'llama3', 'llama-v3', 'falcon3', 'pixtral', 'lfm2'],
    patterns: [LLAMA3],
    ignoreMerges: true,
    addBos: true,
    normalizer: null,
  },
  { names: ['smaug-bpe', 'dbrx'], patterns: [LLAMA3], ignoreMerges: false, addBos: false, normalizer: null },
  {
    names: ['qwen2', 'deepseek-r1-qwen', 'megrez'],
    patterns: [QWEN2],
    ignoreMerges: false,
    addBos: false,
    normalizer: 'NFC',
  },
  { names: ['tekken'], patterns: [TEKKEN], ignoreMerges: true, addBos: true, normalizer: null },
  {
    names: ['default'],
    patterns: ['[\\p{P}\\$\\+<=>\\^~\\|]+', GPT2_PATTERN, '\\p{N}+', '[0-9][0-9][0-9]'],
    ignoreMerges: false,
    addBos: false,
    normalizer: null,
  },
]

const KNOWN: readonly string[] = GROUPS.flatMap(({ names }) => names)
