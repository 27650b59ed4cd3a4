import { describe, expect, test } from 'bun:test'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { loadTokenizer, type Tokenizer } from '../../../plugins/tokenizer/mod.ts'
import { GOLDEN, goldenJson } from '../../_golden.ts'

interface Golden {
  readonly tokenizer: Readonly<Record<string, unknown>> & {
    readonly added_tokens: readonly Readonly<Record<string, unknown>>[]
  }
  readonly cases: readonly {
    readonly text: string
    readonly ids: number[]
    readonly bare: number[]
    readonly decoded: string
    readonly visible: string
    readonly drawn: number[]
    readonly drawnText: string
  }[]
}

const FAMILIES = readdirSync(join(GOLDEN, 'tokenizer/families')).map((name) => name.replace('.json', ''))
const read = (family: string): Golden[] => goldenJson<Golden[]>('tokenizer/families', `${family}.json`)

function open({ tokenizer }: Golden): Tokenizer {
  return loadTokenizer({
    place: 'golden',
    tokenizer,
    config: {},
    chatTemplates: new Map(),
    stopIds: [],
  })
}

function streamed(tokenizer: Tokenizer, ids: readonly number[]): string {
  const stream = tokenizer.createDecodeStream()
  return ids.map((id) => stream.push(id)).join('') + stream.end()
}

test('there are seven families of tokenizers', () => {
  expect(FAMILIES).toHaveLength(7)
})

describe.each(FAMILIES)('a tokenizer of the family %s', (family) => {
  const vocabularies = read(family)

  test('has tokens with single_word, lstrip, rstrip, normalized and special in most combinations', () => {
    const combinations = new Set(
      vocabularies.flatMap(({ tokenizer }) =>
        tokenizer.added_tokens.map((token) =>
          ['single_word', 'lstrip', 'rstrip', 'normalized', 'special'].map((key) => token[key]).join(),
        ),
      ),
    )
    expect(combinations.size).toBeGreaterThan(28)
  })

  test('gives the ids of the Rust library', () => {
    for (const golden of vocabularies) {
      const tokenizer = open(golden)
      for (const { text, ids, bare } of golden.cases) {
        expect({ text, ids: tokenizer.encode(text) }).toEqual({ text, ids })
        expect(tokenizer.encode(text, { addSpecialTokens: false })).toEqual(bare)
      }
    }
  })

  test('gives its text, for any ids, at once and as a stream', () => {
    for (const golden of vocabularies) {
      const tokenizer = open(golden)
      for (const { ids, decoded, visible, drawn, drawnText } of golden.cases) {
        expect(tokenizer.decode(ids)).toBe(decoded)
        expect(tokenizer.decode(ids, { skipSpecialTokens: true })).toBe(visible)
        expect(streamed(tokenizer, ids)).toBe(decoded)
        expect(tokenizer.decode(drawn)).toBe(drawnText)
        expect(streamed(tokenizer, drawn)).toBe(drawnText)
      }
    }
  })
})
