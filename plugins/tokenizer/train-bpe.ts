/**
 * Trains a byte-level BPE tokenizer on texts (R. Sennrich et al., https://arxiv.org/abs/1508.07909; bytes as in GPT-2): the pair of tokens
 * that is most frequent becomes a token, until there are enough.
 *
 * Tokens and merges are those that the `BpeTrainer` of Hugging Face's tokenizers finds with the alphabet of all bytes, in its order: special tokens,
 * bytes, merges; among pairs of one count the one with the smaller ids is first. The texts are seen once and not kept, only
 * their words and how often each comes.
 */
import { TrituneError } from '../../core/mod.ts'
import { byteAlphabet } from './byte-level.ts'
import { type BpeVocabulary, byteLevelFiles, DEFAULT_SPECIAL_TOKENS } from './byte-level-files.ts'
import { createHeap } from './models/heap.ts'
import { createPart } from './part.ts'
import type { TokenizerFiles } from './parsed-files.ts'
import { createPreTokenizer, wholePiece } from './pre-tokenizers.ts'

/** How many tokens there are to be, and which pairs are worth one. */
export interface TrainBpeOptions {
  /** Bytes and special tokens included; fewer when the texts do not have so many pairs. */
  readonly vocabSize: number
  /** A pair that is rarer becomes no token. Default: 2. */
  readonly minFrequency?: number
  /** The first one ends a text, the second one pads. Default: `<|endoftext|>`, `<|pad|>`. */
  readonly specialTokens?: readonly string[]
}

/** Takes texts one by one; `train()` makes the tokenizer of what it has seen. */
export interface BpeTrainer {
  add(text: string): void
  /** E_TOKENIZER when no text was given. */
  train(): TokenizerFiles
}

/**
 * E_TOKENIZER when `vocabSize` is less than the bytes and the special tokens.
 *
 * @example
 * ```ts
 * import { createBpeTrainer, loadTokenizer } from 'tritune/plugins/tokenizer'
 *
 * const trainer = createBpeTrainer({ vocabSize: 260 })
 * trainer.add('the cat and the hat')
 * const tokenizer = loadTokenizer(trainer.train())
 * console.log(tokenizer.vocabSize, tokenizer.decode(tokenizer.encode('the cat'))) // → 260 the cat
 * ```
 */
export function createBpeTrainer({
  vocabSize,
  minFrequency = 2,
  specialTokens = DEFAULT_SPECIAL_TOKENS,
}: TrainBpeOptions): BpeTrainer {
  const least = byteAlphabet().length + specialTokens.length
  if (!Number.isSafeInteger(vocabSize) || vocabSize < least || vocabSize > MOST_TOKENS)
    throw new TrituneError(
      'E_TOKENIZER',
      `a byte-level BPE tokenizer has ${least} (bytes and special tokens) to ${MOST_TOKENS} tokens, not ${vocabSize}`,
      { remedy: `ask for a vocabulary of at least ${least}` },
    )
  const split = createPreTokenizer(createPart({ type: 'ByteLevel', add_prefix_space: false }, 'ByteLevel'))
  const counts = new Map<string, number>()
  return {
    add(text) {
      for (const word of split(wholePiece({ text: text.toWellFormed(), start: 0 })).texts)
        counts.set(word, (counts.get(word) ?? 0) + 1)
    },
    train() {
      if (counts.size === 0)
        throw new TrituneError('E_TOKENIZER', 'there is no text to train a tokenizer on', {
          remedy: 'check the datasets: their records have no text',
        })
      const vocabulary = merge(counts, specialTokens, vocabSize, minFrequency)
      return byteLevelFiles(vocabulary, specialTokens)
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Two ids are one number. */
const MOST_TOKENS = 2 ** 24

interface Word {
  ids: number[]
  readonly count: number
}

/** A pair that may be merged next: how often it came when it was put in, and in which words. */
interface Candidate {
  readonly pair: number
  readonly count: number
  readonly words: ReadonlySet<Word>
}

function merge(
  counts: ReadonlyMap<string, number>,
  specialTokens: readonly string[],
  vocabSize: number,
  minFrequency: number,
): BpeVocabulary {
  const tokens = [...specialTokens, ...byteAlphabet()]
  const ids = new Map(tokens.map((token, id) => [token, id]))
  const merges: [string, string][] = []
  const words = Array.from(counts, ([word, count]): Word => {
    return { ids: Array.from(word, (char) => ids.get(char) ?? 0), count }
  })
  const pairCounts = new Map<number, number>()
  const heap = createHeap<Candidate>((a, b) => a.count > b.count || (a.count === b.count && a.pair < b.pair))
  const push = (changed: ReadonlyMap<number, ReadonlySet<Word>>): void => {
    for (const [pair, where] of changed) {
      const count = pairCounts.get(pair) ?? 0
      if (count > 0) heap.push({ pair, count, words: where })
    }
  }
  push(countPairs(words, pairCounts))
  while (tokens.length < vocabSize) {
    const top = heap.pop()
    if (top === undefined) break
    const count = pairCounts.get(top.pair) ?? 0
    if (count !== top.count) {
      // It lost some to other merges since: it waits for its turn again.
      heap.push({ ...top, count })
      continue
    }
    if (count < Math.max(1, minFrequency)) break
    const [left, right] = [Math.floor(top.pair / MOST_TOKENS), top.pair % MOST_TOKENS]
    const token = tokens[left] + tokens[right]
    const id = ids.get(token) ?? tokens.length
    if (id === tokens.length) {
      tokens.push(token)
      ids.set(token, id)
    }
    merges.push([tokens[left], tokens[right]])
    const grown = new Map<number, Set<Word>>()
    for (const word of top.words) mergeIn(word, left, right, id, pairCounts, grown)
    push(grown)
  }
  return { tokens, merges }
}

function countPairs(words: readonly Word[], pairCounts: Map<number, number>): Map<number, Set<Word>> {
  const where = new Map<number, Set<Word>>()
  for (const word of words)
    for (let i = 1; i < word.ids.length; i++) change(word, word.ids[i - 1], word.ids[i], 1, pairCounts, where)
  return where
}

/** Replaces the pair in a word, and counts the pairs that go and those that come. */
function mergeIn(
  word: Word,
  left: number,
  right: number,
  id: number,
  pairCounts: Map<number, number>,
  grown: Map<number, Set<Word>>,
): void {
  const { ids } = word
  const merged: number[] = []
  for (let i = 0; i < ids.length; i++) {
    if (ids[i] !== left || ids[i + 1] !== right) {
      merged.push(ids[i])
      continue
    }
    const before = merged.at(-1)
    const after = ids.at(i + 2)
    if (before !== undefined) {
      change(word, before, left, -1, pairCounts, grown)
      change(word, before, id, 1, pairCounts, grown)
    }
    if (i + 2 < ids.length && after !== undefined) {
      change(word, right, after, -1, pairCounts, grown)
      change(word, id, after, 1, pairCounts, grown)
    }
    merged.push(id)
    i++
  }
  word.ids = merged
}

function change(
  word: Word,
  left: number,
  right: number,
  by: 1 | -1,
  pairCounts: Map<number, number>,
  grown: Map<number, Set<Word>>,
): void {
  const pair = left * MOST_TOKENS + right
  pairCounts.set(pair, (pairCounts.get(pair) ?? 0) + by * word.count)
  if (by < 0) return
  const where = grown.get(pair)
  if (where) where.add(word)
  else grown.set(pair, new Set([word]))
}
