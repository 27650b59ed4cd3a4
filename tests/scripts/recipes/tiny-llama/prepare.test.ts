import { afterAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readFinetuneConfig } from '../../../../plugins/finetune/mod.ts'
import { loadTokenizer } from '../../../../plugins/tokenizer/mod.ts'
import { TINY } from '../../../../scripts/recipes/tiny-llama/init.ts'
import { MODEL, QUICKSTART } from '../../../../scripts/recipes/tiny-llama/paths.ts'
import {
  quickstartTexts,
  quickstartTokenizer,
  toJsonl,
} from '../../../../scripts/recipes/tiny-llama/prepare.ts'
import { writeTokenizer } from '../../../../scripts/recipes/tiny-llama/tokenizer-files.ts'

const folder = mkdtempSync(join(tmpdir(), 'tiny-llama-'))
afterAll(() => rmSync(folder, { recursive: true }))
const texts = quickstartTexts()

describe('quickstartTexts()', () => {
  test('gives the files that are in the repository', () => {
    for (const part of ['train', 'eval'] as const) {
      const file = readFileSync(join(QUICKSTART, `moby-dick.${part}.jsonl`), 'utf8')
      expect(toJsonl(texts[part]) === file).toBe(true)
    }
  })

  test('keeps evaluation apart from training', () => {
    expect(new Set([...texts.train, ...texts.eval]).size).toBe(texts.train.length + texts.eval.length)
    expect(texts.train.join(' ')).toContain('Call me Ishmael')
    expect(texts.eval.join(' ')).not.toContain('Call me Ishmael')
    const pretrain = new Set(texts.pretrain)
    expect(texts.pretrainEval.filter((text) => pretrain.has(text))).toEqual([])
  })

  test('makes passages of the stated lengths', () => {
    const words = texts.train.map((text) => text.split(' ').length)
    expect(Math.min(...words)).toBeGreaterThanOrEqual(60)
    expect(words.filter((count) => count > 200).length / words.length).toBeLessThan(0.05)
  })
})

describe('quickstartTokenizer()', () => {
  test('gives the tokenizer that is in the repository', () => {
    writeTokenizer(folder, quickstartTokenizer(texts), { contextLength: TINY.context })
    for (const name of ['tokenizer.json', 'tokenizer_config.json']) {
      expect(readFileSync(join(folder, name)).equals(readFileSync(join(MODEL, name)))).toBe(true)
    }
  })
})

describe('the tokenizer of the quickstart', () => {
  // Ids from Python's tokenizers 0.23.3.
  const EXPECTED: readonly (readonly [string, readonly number[]])[] = [
    [
      'Call me Ishmael. Some years ago—never mind how long precisely',
      [
        36, 491, 476, 2435, 4054, 66, 897, 15, 2945, 682, 1854, 1556, 79, 1055, 2598, 966, 866, 2585, 638,
        313,
      ],
    ],
    [
      'The Congress of the United States, 1862: $3,000,000',
      [722, 492, 269, 261, 513, 446, 13, 2495, 19, 27, 572, 20, 13, 615, 13, 615],
    ],
    ["Don't\n\n  stop", [37, 265, 1559, 200, 200, 222, 2565]],
    [
      'Ünïcödé 日本 🐋',
      [
        129, 252, 79, 129, 109, 68, 129, 116, 69, 129, 104, 222, 164, 247, 100, 164, 252, 107, 222, 174, 255,
        240, 235,
      ],
    ],
    ['a<|endoftext|>b<|pad|>', [66, 0, 67, 1]],
  ]

  test('gives the ids that Python gives, and the text back', () => {
    const tokenizer = loadTokenizer(MODEL)
    for (const [text, ids] of EXPECTED) {
      expect(tokenizer.encode(text)).toEqual([...ids])
      expect(tokenizer.decode(ids, { skipSpecialTokens: false })).toBe(text)
    }
    expect(tokenizer.eosIds).toEqual([0])
  })
})

describe('the settings', () => {
  test('are read without a remark', () => {
    for (const file of [
      join(QUICKSTART, 'quickstart.yaml'),
      join(import.meta.dirname, '../../../../scripts/recipes/tiny-llama/recipe.yaml'),
    ]) {
      expect(readFinetuneConfig(readFileSync(file, 'utf8'), file).notes).toEqual([])
    }
  })
})
