/**
 * Tokenizers into GGUF keys and back: the same ids. That llama.cpp gives them too is shown by `bun run oracle gguf`.
 */
import { describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import {
  copiedTokenizerMetadata,
  type GgufTypedValue,
  ggufTokenizer,
  openGguf,
  type TokenizerParts,
  tokenizerMetadata,
  writeGguf,
} from '../../../plugins/gguf/mod.ts'
import { loadTokenizer, readTokenizerFiles } from '../../../plugins/tokenizer/mod.ts'
import { GOLDEN, goldenJson, temporaryFolder } from '../../_golden.ts'

const KINDS = ['gpt-2', 'smollm', 'llama-bpe', 'qwen2', 'sentencepiece']
const file = (kind: string): string => join(GOLDEN, 'gguf', `tokenizer-${kind}.gguf`)
const partsOf = (kind: string): TokenizerParts => readTokenizerFiles(file(kind))
const sizeOf = (kind: string): number => loadTokenizer(file(kind)).vocabSize

type Entries = readonly (readonly [string, GgufTypedValue])[]

describe.each(KINDS)('%s', (kind) => {
  const cases = goldenJson<{ text: string; ids: number[] }[]>('gguf', `tokenizer-${kind}.json`)
  const ways: [string, () => Entries][] = [
    ['made of tokenizer.json', () => tokenizerMetadata(partsOf(kind), sizeOf(kind))],
    ['copied', () => copiedTokenizerMetadata(openGguf(file(kind)))],
  ]
  test.each(ways)('%s: the same ids', (_way, entries) => {
    using folder = temporaryFolder()
    const path = join(folder.path, 'x.gguf')
    writeGguf(path, { metadata: new Map(entries()), tensors: [] })
    const tokenizer = loadTokenizer(path)
    for (const { text, ids } of cases) expect(tokenizer.encode(text)).toEqual(ids)
    expect(ggufTokenizer(openGguf(path)).tokenizerConfig).toEqual(
      ggufTokenizer(openGguf(file(kind))).tokenizerConfig,
    )
  })
})

const valueOf = (entries: Entries, key: string): unknown => new Map(entries).get(`tokenizer.${key}`)?.value

test('special tokens, kinds of tokens, templates, and rows without a token', () => {
  const parts = partsOf('llama-bpe')
  const size = sizeOf('llama-bpe')
  const entries = tokenizerMetadata(
    {
      ...parts,
      stopIds: [3],
      chatTemplates: new Map([
        ['default', '{{ a }}'],
        ['tools', '{{ b }}'],
      ]),
    },
    size + 2,
  )
  expect(valueOf(entries, 'ggml.pre')).toBe('llama-bpe')
  expect(valueOf(entries, 'ggml.bos_token_id')).toBe(0)
  expect(valueOf(entries, 'ggml.eos_token_id')).toBe(1)
  expect(valueOf(entries, 'ggml.eot_token_id')).toBe(3)
  expect(valueOf(entries, 'ggml.add_bos_token')).toBe(true)
  expect(valueOf(entries, 'chat_template')).toBe('{{ a }}')
  expect(valueOf(entries, 'chat_template.tools')).toBe('{{ b }}')
  expect(valueOf(entries, 'chat_templates')).toEqual(['tools'])
  const [tokens, types] = [valueOf(entries, 'ggml.tokens'), valueOf(entries, 'ggml.token_type')]
  expect(tokens).toHaveLength(size + 2)
  expect(Array.isArray(tokens) && tokens.at(-1)).toBe(`[PAD${size + 1}]`)
  expect(Array.isArray(types) && [types[0], types[5], types.at(-1)]).toEqual([3, 1, 5])
})

describe('refused, because llama.cpp would give other tokens', () => {
  const base = partsOf('gpt-2')
  const byte = { type: 'ByteLevel', add_prefix_space: false, use_regex: false }
  const split = (Regex: string): object => ({
    type: 'Split',
    pattern: { Regex },
    behavior: 'Isolated',
    invert: false,
  })
  const cases: [string, Partial<TokenizerParts['tokenizer']>, RegExp][] = [
    ['another kind of vocabulary', { model: { type: 'Unigram', vocab: [] } }, /kind "Unigram"/],
    [
      'another pattern',
      { pre_tokenizer: { type: 'Sequence', pretokenizers: [split('\\w+'), byte] } },
      /no pre-tokenizer that cuts/,
    ],
    [
      'a space in front',
      { pre_tokenizer: { ...byte, add_prefix_space: true, use_regex: true } },
      /no pre-tokenizer/,
    ],
    ['a normalizer', { normalizer: { type: 'Lowercase' } }, /no pre-tokenizer that cuts/],
    ['neither bytes nor pieces', { pre_tokenizer: { type: 'Whitespace' } }, /neither on bytes/],
  ]
  test.each(cases)('%s', (_name, changes, message) => {
    const parts = { ...base, tokenizer: { ...base.tokenizer, ...changes } }
    expect(() => tokenizerMetadata(parts, sizeOf('gpt-2'))).toThrow(message)
  })

  test('merges that are not of a SentencePiece vocabulary', () => {
    const parts = partsOf('sentencepiece')
    const model: unknown = parts.tokenizer['model']
    const merges =
      typeof model === 'object' && model !== null && 'merges' in model && Array.isArray(model.merges)
        ? model.merges
        : []
    const fewer = {
      ...parts,
      tokenizer: { ...parts.tokenizer, model: { ...Object(model), merges: merges.slice(1) } },
    }
    expect(() => tokenizerMetadata(fewer, sizeOf('sentencepiece'))).toThrow(/not those that a SentencePiece/)
  })

  test('tokens that the model has no rows for', () => {
    expect(() => tokenizerMetadata(base, 10)).toThrow(/is number \d+; the model has 10/)
  })
})
