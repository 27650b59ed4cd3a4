import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { GgufFile, GgufValue } from '../../../plugins/gguf/mod.ts'
import { ggufTokenizer, openGguf } from '../../../plugins/gguf/mod.ts'
import { loadTokenizer } from '../../../plugins/tokenizer/mod.ts'

const golden = join(import.meta.dir, '../../golden/gguf')
const open = (name: string): GgufFile => openGguf(join(golden, `tokenizer-${name}.gguf`))
const cases = (name: string): { text: string; ids: number[]; decoded?: string }[] =>
  JSON.parse(readFileSync(join(golden, `tokenizer-${name}.json`), 'utf8'))

function changed(file: GgufFile, values: Record<string, GgufValue | undefined>): GgufFile {
  const metadata = new Map(file.metadata)
  for (const [key, value] of Object.entries(values)) {
    if (value === undefined) metadata.delete(`tokenizer.ggml.${key}`)
    else metadata.set(`tokenizer.ggml.${key}`, value)
  }
  return { ...file, metadata }
}

describe('ggufTokenizer()', () => {
  test.each(['gpt-2', 'smollm', 'llama-bpe', 'qwen2'])(
    'of kind %s gives the ids of the Rust library',
    (name) => {
      const tokenizer = loadTokenizer(open(name))
      for (const { text, ids } of cases(name)) {
        expect({ text, ids: tokenizer.encode(text) }).toEqual({ text, ids })
        const nfc = name === 'qwen2' ? text.normalize('NFC') : text
        expect(tokenizer.decode(tokenizer.encode(text, { addSpecialTokens: false }))).toBe(nfc)
      }
    },
  )

  test('of a SentencePiece vocabulary gives the ids of transformers', () => {
    const tokenizer = loadTokenizer(open('sentencepiece'))
    for (const { text, ids, decoded } of cases('sentencepiece')) {
      expect({ text, ids: tokenizer.encode(text) }).toEqual({ text, ids })
      expect({ text, decoded: tokenizer.decode(ids, { skipSpecialTokens: true }) }).toEqual({
        text,
        decoded: decoded ?? '',
      })
    }
  })

  test('knows the special tokens, the template and every token that ends a turn', () => {
    const tokenizer = loadTokenizer(open('llama-bpe'))
    expect(tokenizer).toMatchObject({ bosId: 0, eosId: 1, eosIds: [1, 0], padId: undefined })
    expect(tokenizer.vocabSize).toBe(421)
    expect(tokenizer.renderChat([{ role: 'user', content: 'hi' }])).toBe('user: hi<|end|>')
    expect([...tokenizer.specialIds].toSorted()).toEqual([0, 1])
    expect(tokenizer.decode(tokenizer.encode('<think>a<|end|>'), { skipSpecialTokens: true })).toBe(
      '<think>a',
    )
  })

  test('follows add_bos_token and add_eos_token', () => {
    const plain = loadTokenizer(changed(open('llama-bpe'), { add_bos_token: false }))
    const both = loadTokenizer(changed(open('gpt-2'), { add_bos_token: true, add_eos_token: true }))
    expect(plain.encode('a')).not.toContain(0)
    expect([both.encode('a')[0], both.encode('a').at(-1)]).toEqual([0, 1])
    expect(both.encode('a', { addSpecialTokens: false }).length).toBe(both.encode('a').length - 2)
  })

  test('refuses what would give wrong tokens without a sign', () => {
    expect(() => ggufTokenizer(changed(open('gpt-2'), { pre: 'smolm' }))).toThrow(
      /pre-tokenizer "smolm".*"smollm"/,
    )
    expect(() => ggufTokenizer(changed(open('gpt-2'), { model: 'bert' }))).toThrow(
      /kind "bert" are not supported/,
    )
    expect(() => ggufTokenizer(changed(open('gpt-2'), { tokens: undefined }))).toThrow(/has no tokenizer/)
    expect(() => ggufTokenizer(changed(open('gpt-2'), { bos_token_id: 9999 }))).toThrow(/9999 is no token/)
    expect(() => ggufTokenizer(changed(open('gpt-2'), { merges: ['ab'] }))).toThrow(/merge "ab"/)
    expect(() => ggufTokenizer(changed(open('gpt-2'), { tokens: ['a', 'a'], bos_token_id: 0 }))).toThrow(
      /tokens 0 and 1 are both "a"/,
    )
  })
})
