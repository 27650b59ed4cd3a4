/**
 * The tokenizer of a GGUF file as the files of a Hugging Face folder: tokenizer.json and tokenizer_config.json as
 * objects. Vocabularies: `gpt2` (byte-level BPE) and `llama` (SentencePiece BPE with byte fallback). Encodes nothing; the
 * tokenizer plugin does.
 */

import { TrituneError } from '../../core/errors.ts'
import { preTokenizer } from './pre-tokenizers.ts'
import type { GgufFile } from './read.ts'
import { ggufBoolean, ggufNumber, ggufNumbers, ggufString, ggufStrings } from './read.ts'
import { sentencePieceMerges } from './sentencepiece.ts'

type Json = Readonly<Record<string, unknown>>

/** The tokenizer of a GGUF file, in the form of a Hugging Face folder. */
export interface GgufTokenizer {
  /** The content of tokenizer.json. */
  readonly tokenizer: Json
  /** The content of tokenizer_config.json. */
  readonly tokenizerConfig: Json
  /** Every token that ends a reply: end of text, and end of turn where the file has one. */
  readonly eosIds: readonly number[]
}

/**
 * The tokenizer of a GGUF file as tokenizer.json and tokenizer_config.json. Throws E_TOKENIZER when it has none,
 * E_UNSUPPORTED for other vocabularies than `gpt2` and `llama`.
 *
 * @throws E_UNSUPPORTED for other kinds of vocabulary and unknown pre-tokenizers; E_TOKENIZER when there is none
 * @example
 * ```ts
 * import { ggufTokenizer, openGguf } from 'tritune/plugins/gguf'
 *
 * const { tokenizer, eosIds } = ggufTokenizer(openGguf('my-tokenizer.gguf'))
 * console.log('model' in tokenizer, eosIds.length > 0) // → true true
 * ```
 */
export function ggufTokenizer(file: GgufFile): GgufTokenizer {
  if (!file.metadata.has('tokenizer.ggml.tokens')) {
    throw new TrituneError('E_TOKENIZER', 'the file has no tokenizer (no key "tokenizer.ggml.tokens")', {
      place: file.path,
      remedy: "load the tokenizer from the model's Hugging Face folder",
    })
  }
  const kind = ggufString(file, 'tokenizer.ggml.model')
  const tokens = ggufStrings(file, 'tokenizer.ggml.tokens')
  const vocab = readVocab(file, tokens)
  if (kind === 'gpt2') return byteLevelTokenizer(file, tokens, vocab)
  if (kind === 'llama') return sentencePieceTokenizer(file, tokens, vocab)
  throw new TrituneError('E_UNSUPPORTED', `vocabularies of the kind "${kind}" are not supported`, {
    place: `${file.path}: tokenizer.ggml.model`,
    remedy: "supported: gpt2, llama; or load the tokenizer from the model's Hugging Face folder",
  })
}

/** Values of tokenizer.ggml.token_type. */
const UNKNOWN = 2
const CONTROL = 3
const USER_DEFINED = 4

function byteLevelTokenizer(
  file: GgufFile,
  tokens: readonly string[],
  vocab: ReadonlyMap<string, number>,
): GgufTokenizer {
  const pre = preTokenizer(ggufString(file, 'tokenizer.ggml.pre', 'default'), file.path)
  const special = specialTokens(file, tokens, { addBos: pre.addBos })
  const splits = pre.patterns.map((pattern) => ({
    type: 'Split',
    pattern: { Regex: pattern },
    behavior: 'Isolated',
    invert: false,
  }))
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false }
  const merges = ggufStrings(file, 'tokenizer.ggml.merges').map((merge) => splitMerge(file, merge))
  return assemble(special, {
    normalizer: pre.normalizer === null ? null : { type: pre.normalizer },
    pre_tokenizer: { type: 'Sequence', pretokenizers: [...splits, byteLevel] },
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      ...BPE,
      unk_token: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: pre.ignoreMerges,
      vocab: Object.fromEntries(vocab),
      merges,
    },
  })
}

function sentencePieceTokenizer(
  file: GgufFile,
  tokens: readonly string[],
  vocab: ReadonlyMap<string, number>,
): GgufTokenizer {
  const special = specialTokens(file, tokens, { addBos: true })
  const prefixSpace = ggufBoolean(file, 'tokenizer.ggml.add_space_prefix', true)
  const merges = file.metadata.has('tokenizer.ggml.merges')
    ? ggufStrings(file, 'tokenizer.ggml.merges').map((merge) => splitMerge(file, merge))
    : sentencePieceMerges(vocab, ggufNumbers(file, 'tokenizer.ggml.scores'))
  const decoders = [
    { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
    { type: 'ByteFallback' },
    { type: 'Fuse' },
    ...(prefixSpace ? [{ type: 'Strip', content: ' ', start: 1, stop: 0 }] : []),
  ]
  return assemble(special, {
    normalizer: null,
    pre_tokenizer: {
      type: 'Metaspace',
      replacement: '▁',
      prepend_scheme: prefixSpace ? 'first' : 'never',
      split: false,
    },
    decoder: { type: 'Sequence', decoders },
    model: {
      ...BPE,
      unk_token: special.unk ?? null,
      fuse_unk: true,
      byte_fallback: true,
      ignore_merges: false,
      vocab: Object.fromEntries(vocab),
      merges,
    },
  })
}

const BPE = { type: 'BPE', dropout: null, continuing_subword_prefix: null, end_of_word_suffix: null }

interface SpecialTokens {
  readonly bos: string | undefined
  readonly eos: string | undefined
  readonly unk: string | undefined
  readonly pad: string | undefined
  readonly eosIds: readonly number[]
  readonly addBos: boolean
  readonly addEos: boolean
  readonly added: readonly { readonly id: number; readonly content: string; readonly special: boolean }[]
  readonly ids: ReadonlyMap<string, number>
  readonly chatTemplate: string | undefined
}

function specialTokens(
  file: GgufFile,
  tokens: readonly string[],
  { addBos }: { addBos: boolean },
): SpecialTokens {
  const idOf = (key: string): number | undefined => {
    if (!file.metadata.has(`tokenizer.ggml.${key}`)) return undefined
    const id = ggufNumber(file, `tokenizer.ggml.${key}`)
    if (id < tokens.length) return id
    throw new TrituneError('E_FORMAT', `${id} is no token, there are ${tokens.length}`, {
      place: `${file.path}: tokenizer.ggml.${key}`,
    })
  }
  const named = {
    bos: idOf('bos_token_id'),
    eos: idOf('eos_token_id'),
    unk: idOf('unknown_token_id'),
    pad: idOf('padding_token_id'),
    eot: idOf('eot_token_id'),
  }
  const types = ggufNumbers(file, 'tokenizer.ggml.token_type', [])
  const namedIds = new Set(Object.values(named))
  const added = tokens
    .map((content, id) => {
      const special = types[id] === CONTROL || types[id] === UNKNOWN || namedIds.has(id)
      return { id, content, special }
    })
    .filter(({ id, special }) => special || types[id] === USER_DEFINED)
  const text = (id: number | undefined): string | undefined => (id === undefined ? undefined : tokens[id])
  return {
    bos: text(named.bos),
    eos: text(named.eos),
    unk: text(named.unk),
    pad: text(named.pad),
    eosIds: [...new Set([named.eos, named.eot])].filter((id) => id !== undefined),
    addBos: named.bos !== undefined && ggufBoolean(file, 'tokenizer.ggml.add_bos_token', addBos),
    addEos: named.eos !== undefined && ggufBoolean(file, 'tokenizer.ggml.add_eos_token', false),
    added,
    ids: new Map(added.map(({ content, id }) => [content, id])),
    chatTemplate: file.metadata.has('tokenizer.chat_template')
      ? ggufString(file, 'tokenizer.chat_template')
      : undefined,
  }
}

function assemble(special: SpecialTokens, parts: Json): GgufTokenizer {
  return {
    tokenizer: {
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: special.added.map((token) => ({
        ...token,
        single_word: false,
        lstrip: false,
        rstrip: false,
        normalized: false,
      })),
      post_processor: postProcessor(special),
      ...parts,
    },
    tokenizerConfig: {
      tokenizer_class: 'PreTrainedTokenizerFast',
      clean_up_tokenization_spaces: false,
      add_bos_token: special.addBos,
      add_eos_token: special.addEos,
      ...(special.bos === undefined ? {} : { bos_token: special.bos }),
      ...(special.eos === undefined ? {} : { eos_token: special.eos }),
      ...(special.unk === undefined ? {} : { unk_token: special.unk }),
      ...(special.pad === undefined ? {} : { pad_token: special.pad }),
      ...(special.chatTemplate === undefined ? {} : { chat_template: special.chatTemplate }),
    },
    eosIds: special.eosIds,
  }
}

function postProcessor({ addBos, addEos, bos, eos, ids }: SpecialTokens): Json | null {
  const before = addBos && bos !== undefined ? [bos] : []
  const after = addEos && eos !== undefined ? [eos] : []
  if (before.length + after.length === 0) return null
  const around = (id: 'A' | 'B', type: number): unknown[] => [
    ...before.map((token) => ({ SpecialToken: { id: token, type_id: type } })),
    { Sequence: { id, type_id: type } },
    ...after.map((token) => ({ SpecialToken: { id: token, type_id: type } })),
  ]
  const tokens = [...before, ...after].map((token) => [
    token,
    { id: token, ids: [ids.get(token)], tokens: [token] },
  ])
  return {
    type: 'TemplateProcessing',
    single: around('A', 0),
    pair: [...around('A', 0), ...around('B', 1)],
    special_tokens: Object.fromEntries(tokens),
  }
}

function readVocab(file: GgufFile, tokens: readonly string[]): Map<string, number> {
  const vocab = new Map<string, number>()
  for (const [id, token] of tokens.entries()) {
    const before = vocab.get(token)
    if (before !== undefined) {
      throw new TrituneError('E_FORMAT', `tokens ${before} and ${id} are both ${JSON.stringify(token)}`, {
        place: `${file.path}: tokenizer.ggml.tokens`,
      })
    }
    vocab.set(token, id)
  }
  return vocab
}

/** The two sides are separated by the one space that is not the first character (as llama.cpp reads it). */
function splitMerge(file: GgufFile, merge: string): [string, string] {
  const at = merge.indexOf(' ', 1)
  if (at > 0 && at < merge.length - 1) return [merge.slice(0, at), merge.slice(at + 1)]
  throw new TrituneError('E_FORMAT', `the merge ${JSON.stringify(merge)} is not two pieces`, {
    place: `${file.path}: tokenizer.ggml.merges`,
  })
}
