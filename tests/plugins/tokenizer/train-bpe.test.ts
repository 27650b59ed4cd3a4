/**
 * Tokenizers that are made here: BPE against the trainer of Hugging Face's tokenizers, single bytes, and what cannot be made.
 */
import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { byteTokenizer, createBpeTrainer, loadTokenizer } from '../../../plugins/tokenizer/mod.ts'
import { GOLDEN, goldenJson } from '../../_golden.ts'

interface Case {
  readonly texts?: readonly string[]
  readonly lines?: number
  readonly vocabSize: number
  readonly minFrequency: number
  readonly size: number
  readonly tokens: string
  readonly merges: string
}

const CASES = goldenJson<Case[]>('tokenizer', 'train-bpe.json')

/** Every text of the first lines of the bundled one. */
function bundled(count: number): string[] {
  const file = join(GOLDEN, '../../quickstart/moby-dick.eval.jsonl')
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, count)
  return lines.flatMap((line) => Object.values(JSON.parse(line) as Record<string, string>))
}

test.each(CASES.map((one) => [one.texts?.[0] ?? `${one.lines} lines`, one] as const))(
  'the tokens and merges of %s are those of BpeTrainer',
  (_name, { texts, lines, vocabSize, minFrequency, size, tokens, merges }) => {
    const trainer = createBpeTrainer({ vocabSize, minFrequency })
    const given = texts ?? bundled(lines ?? 0)
    for (const text of given) trainer.add(text)
    const files = trainer.train()
    const model = files.tokenizer['model'] as { vocab: Record<string, number>; merges: [string, string][] }
    const byId = Object.entries(model.vocab).toSorted(([, a], [, b]) => a - b)
    expect(byId.map(([token]) => token).join(' ')).toBe(tokens)
    expect(model.merges.map((pair) => pair.join(' ')).join('\n')).toBe(merges)
    const tokenizer = loadTokenizer(files)
    expect(tokenizer.vocabSize).toBe(size)
    for (const text of given.slice(0, 5)) expect(tokenizer.decode(tokenizer.encode(text))).toBe(text)
  },
)

test('a trained tokenizer takes texts that it has not seen, in fewer tokens than bytes', () => {
  const trainer = createBpeTrainer({ vocabSize: 500 })
  for (const text of bundled(40)) trainer.add(text)
  const tokenizer = loadTokenizer(trainer.train())
  const text = 'Unseen: the whale 鯨 🐋 and the sea.'
  expect(tokenizer.decode(tokenizer.encode(text))).toBe(text)
  const [seen] = bundled(41).slice(-1)
  expect(tokenizer.encode(seen).length).toBeLessThan(0.7 * Buffer.byteLength(seen))
  expect(tokenizer.eosId).toBe(0)
  expect(tokenizer.padId).toBe(1)
})

test('single bytes: 256 tokens, any text', () => {
  const tokenizer = loadTokenizer(byteTokenizer())
  expect(tokenizer.vocabSize).toBe(256)
  const texts = ['', 'plain', 'Größe 鯨 🐋\n\t\u0000', String.fromCodePoint(0x10ffff, 0x7ff, 0x800, 0xffff)]
  for (const text of texts) {
    const ids = tokenizer.encode(text)
    expect(ids.length).toBe(Buffer.byteLength(text))
    expect(tokenizer.decode(ids)).toBe(text)
  }
  expect(tokenizer.encode('<|endoftext|>')).toEqual([0])
})

test('a vocabulary without room for the bytes is refused, and so is a text that is not there', () => {
  for (const vocabSize of [0, 257, 1.5, NaN, 2 ** 25])
    expect(() => createBpeTrainer({ vocabSize })).toThrow('has 258 (bytes and special tokens) to')
  const trainer = createBpeTrainer({ vocabSize: 300 })
  trainer.add('')
  expect(() => trainer.train()).toThrow('there is no text to train a tokenizer on')
})
