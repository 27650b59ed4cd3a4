/**
 * Mistral's tekken.json as the content of a tokenizer.json: a byte-level BPE whose tokens are ranked, as tiktoken has them, behind the special ones.
 * Format: https://github.com/mistralai/mistral-common (`mistral_common.tokens.tokenizers.tekken`).
 */
import { TrituneError } from '../../core/errors.ts'
import { spellRaw } from './byte-level.ts'
import type { Json } from './parsed-files.ts'

/** Content of tokenizer.json, and of tokenizer_config.json as far as it is known. */
export interface TekkenTokenizer {
  readonly tokenizer: Json
  readonly config: Json
}

/** E_FORMAT for a file that lacks what it must have. */
export function readTekken(file: Json, place: string): TekkenTokenizer {
  const settings = fieldsOf(file['config'])
  const { pattern, default_vocab_size: size, default_num_special_tokens: specials } = settings
  const ranked = file['vocab']
  if (
    typeof pattern !== 'string' ||
    typeof size !== 'number' ||
    typeof specials !== 'number' ||
    !Array.isArray(ranked)
  )
    throw new TrituneError('E_FORMAT', 'not a tekken.json: pattern, sizes or vocab are missing', { place })
  const ranks = new Map<string, number>()
  for (const [rank, token] of ranked.slice(0, size - specials).entries()) {
    const bytes = fieldsOf(token)['token_bytes']
    if (typeof bytes !== 'string')
      throw new TrituneError('E_FORMAT', `token ${rank} has no token_bytes`, { place })
    ranks.set(spellRaw(Buffer.from(bytes, 'base64')), rank)
  }
  const named = specialTokens(file['special_tokens'], specials)
  return {
    tokenizer: {
      version: '1.0',
      added_tokens: named.map((content, id) => ({
        id,
        content,
        special: true,
        single_word: false,
        lstrip: false,
        rstrip: false,
        normalized: false,
      })),
      normalizer: null,
      pre_tokenizer: {
        type: 'Sequence',
        pretokenizers: [
          { type: 'Split', pattern: { Regex: pattern }, behavior: 'Isolated', invert: false },
          { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
        ],
      },
      post_processor: {
        type: 'TemplateProcessing',
        single: [{ SpecialToken: { id: BOS, type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
        pair: [],
        special_tokens: { [BOS]: { id: BOS, ids: [named.indexOf(BOS)], tokens: [BOS] } },
      },
      decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
      model: {
        type: 'BPE',
        dropout: null,
        unk_token: null,
        fuse_unk: false,
        byte_fallback: false,
        // A piece that is a token needs no merges, as tiktoken has it.
        ignore_merges: true,
        vocab: Object.fromEntries([
          ...named.map((content, id) => [content, id]),
          ...[...ranks].map(([token, rank]) => [token, rank + specials]),
        ]),
        merges: mergesOf(ranks),
      },
    },
    config: {
      bos_token: BOS,
      eos_token: '</s>',
      unk_token: '<unk>',
      pad_token: '<pad>',
      add_bos_token: true,
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const BOS = '<s>'

/** What older files, which do not list them, begin with. */
const FIRST = [
  '<unk>',
  BOS,
  '</s>',
  '[INST]',
  '[/INST]',
  '[AVAILABLE_TOOLS]',
  '[/AVAILABLE_TOOLS]',
  '[TOOL_RESULTS]',
  '[/TOOL_RESULTS]',
  '[TOOL_CALLS]',
  '[IMG]',
  '<pad>',
  '[IMG_BREAK]',
  '[IMG_END]',
  '[PREFIX]',
  '[MIDDLE]',
  '[SUFFIX]',
  '[SYSTEM_PROMPT]',
  '[/SYSTEM_PROMPT]',
  '[TOOL_CONTENT]',
]

function specialTokens(listed: unknown, count: number): string[] {
  const names = Array.from({ length: count }, (_, id) => FIRST[id] ?? `<SPECIAL_${id}>`)
  if (Array.isArray(listed))
    for (const token of listed) {
      const { rank, token_str: content } = fieldsOf(token)
      if (typeof rank === 'number' && rank < count && typeof content === 'string') names[rank] = content
    }
  return names
}

/** Every way to make a token of two, by the rank of the token, and of its parts among equal ones. */
function mergesOf(ranks: ReadonlyMap<string, number>): [string, string][] {
  const merges: [string, string][] = []
  for (const token of ranks.keys()) {
    const ways: (readonly [left: number, right: number, merge: [string, string]])[] = []
    for (let cut = 1; cut < token.length; cut++) {
      const [left, right] = [token.slice(0, cut), token.slice(cut)]
      const [a, b] = [ranks.get(left), ranks.get(right)]
      if (a !== undefined && b !== undefined) ways.push([a, b, [left, right]])
    }
    ways.sort((a, b) => a[0] - b[0] || a[1] - b[1])
    for (const [, , merge] of ways) merges.push(merge)
  }
  return merges
}

function fieldsOf(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {}
}
