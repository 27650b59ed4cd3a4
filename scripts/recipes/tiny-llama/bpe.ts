/**
 * Trains byte-pair encoding (Sennrich et al. 2016, arXiv 1508.07909) on counted words: the most frequent pair of
 * neighbours becomes one token, again and again.
 *
 * Counts are updated only in the words that hold the merged pair, and the best pair comes from a heap with stale
 * entries, so 4000 merges over a book take about a second. Ties go to the pair with the smaller ids, which makes the
 * result the same as that of `BpeTrainer` of Hugging Face's tokenizers, and the same on every run.
 */
import { TrituneError } from '../../../core/errors.ts'
import { byteAlphabet } from './byte-level.ts'

export interface Bpe {
  /** Token of each id: special tokens, the 256 bytes, then one per merge. */
  readonly tokens: readonly string[]
  /** In order of priority. */
  readonly merges: readonly (readonly [string, string])[]
}

export interface BpeOptions {
  /** Special tokens and bytes included; smaller in the result when no pair is left that occurs twice. */
  readonly vocabSize: number
  /** Ids from 0 on. */
  readonly specialTokens: readonly string[]
}

interface Word {
  ids: number[]
  readonly count: number
}

interface Pairs {
  /** Occurrences in the text. */
  readonly counts: Map<number, number>
  /** Words that hold the pair, or once held it. */
  readonly words: Map<number, Set<number>>
}

/** @param counts words in the byte alphabet (`countWords`) */
export function trainBpe(counts: ReadonlyMap<string, number>, { vocabSize, specialTokens }: BpeOptions): Bpe {
  const bytes = byteAlphabet().toSorted()
  const tokens = [...specialTokens, ...bytes]
  if (vocabSize < tokens.length || vocabSize > MAX_TOKENS) {
    throw new TrituneError('E_TOKENIZER', `a vocabulary of ${vocabSize} tokens`, {
      remedy: `take from ${tokens.length} to ${MAX_TOKENS}`,
    })
  }
  const idOf = new Map(bytes.map((character, i) => [character, specialTokens.length + i]))
  const words = Array.from(counts, ([text, count]) => ({
    ids: Array.from(text, (c) => byteId(idOf, c)),
    count,
  }))
  const pairs = countPairs(words)
  const queue = createQueue()
  for (const [pair, count] of pairs.counts) queue.push(count, pair)

  const merges: [string, string][] = []
  while (tokens.length < vocabSize) {
    const pair = nextPair(queue, pairs.counts)
    if (pair === null) break
    const id = tokens.length
    const left = Math.floor(pair / MAX_TOKENS)
    const right = pair % MAX_TOKENS
    merges.push([tokens[left], tokens[right]])
    tokens.push(tokens[left] + tokens[right])
    for (const fresh of mergePair(words, pairs, { pair, left, right, id })) {
      queue.push(pairs.counts.get(fresh) ?? 0, fresh)
    }
  }
  return { tokens, merges }
}

/** A pair is one number: left · MAX_TOKENS + right. */
const MAX_TOKENS = 65536
/** A pair that occurs once teaches nothing. */
const MIN_COUNT = 2

function byteId(idOf: ReadonlyMap<string, number>, character: string): number {
  const id = idOf.get(character)
  if (id === undefined) throw new TrituneError('E_TOKENIZER', `"${character}" is not in the byte alphabet`)
  return id
}

function countPairs(words: readonly Word[]): Pairs {
  const pairs: Pairs = { counts: new Map(), words: new Map() }
  for (const [w, { ids, count }] of words.entries()) {
    for (let i = 1; i < ids.length; i++) addPair(pairs, ids[i - 1] * MAX_TOKENS + ids[i], count, w)
  }
  return pairs
}

function addPair(pairs: Pairs, pair: number, count: number, word: number): void {
  pairs.counts.set(pair, (pairs.counts.get(pair) ?? 0) + count)
  const holders = pairs.words.get(pair)
  if (holders === undefined) pairs.words.set(pair, new Set([word]))
  else holders.add(word)
}

function removePair(pairs: Pairs, pair: number, count: number): void {
  pairs.counts.set(pair, (pairs.counts.get(pair) ?? 0) - count)
}

/** Replaces the pair in every word that holds it. Returns the pairs that are new. */
function mergePair(
  words: readonly Word[],
  pairs: Pairs,
  { pair, left, right, id }: { pair: number; left: number; right: number; id: number },
): Set<number> {
  const fresh = new Set<number>()
  for (const w of pairs.words.get(pair) ?? []) {
    const word = words[w]
    const { ids, count } = word
    const merged: number[] = []
    for (let i = 0; i < ids.length; i++) {
      if (ids[i] === left && i + 1 < ids.length && ids[i + 1] === right) {
        merged.push(id)
        i++
      } else merged.push(ids[i])
    }
    if (merged.length === ids.length) continue
    for (let i = 1; i < ids.length; i++) removePair(pairs, ids[i - 1] * MAX_TOKENS + ids[i], count)
    for (let i = 1; i < merged.length; i++) {
      const next = merged[i - 1] * MAX_TOKENS + merged[i]
      addPair(pairs, next, count, w)
      if (merged[i - 1] === id || merged[i] === id) fresh.add(next)
    }
    word.ids = merged
  }
  pairs.counts.delete(pair)
  pairs.words.delete(pair)
  return fresh
}

/** The most frequent pair by the counts of now; entries pushed with an older count go back with the new one. */
function nextPair(queue: Queue, counts: ReadonlyMap<number, number>): number | null {
  for (;;) {
    const top = queue.pop()
    if (top === null) return null
    const count = counts.get(top.pair) ?? 0
    if (count < MIN_COUNT) continue
    if (count === top.count) return top.pair
    queue.push(count, top.pair)
  }
}

interface Entry {
  readonly count: number
  readonly pair: number
}

interface Queue {
  push(count: number, pair: number): void
  pop(): Entry | null
}

/** A binary heap: largest count first, then smallest pair. */
function createQueue(): Queue {
  const heap: Entry[] = []
  const before = (a: Entry, b: Entry): boolean => (a.count === b.count ? a.pair < b.pair : a.count > b.count)
  const swap = (i: number, j: number): void => {
    const kept = heap[i]
    heap[i] = heap[j]
    heap[j] = kept
  }
  return {
    push(count, pair) {
      let i = heap.push({ count, pair }) - 1
      while (i > 0) {
        const parent = (i - 1) >> 1
        if (!before(heap[i], heap[parent])) break
        swap(i, parent)
        i = parent
      }
    },
    pop() {
      const top = heap[0]
      const last = heap.pop()
      if (top === undefined || last === undefined) return null
      if (heap.length === 0) return top
      heap[0] = last
      for (let i = 0; ;) {
        const child = 2 * i + 1
        if (child >= heap.length) return top
        const best = child + 1 < heap.length && before(heap[child + 1], heap[child]) ? child + 1 : child
        if (!before(heap[best], heap[i])) return top
        swap(i, best)
        i = best
      }
    },
  }
}
