/**
 * SentencePiece's unigram model: of all ways to write a piece, the one whose tokens have the largest sum of scores
 * (T. Kudo, https://arxiv.org/abs/1804.10959). Neighbouring unknown characters are one unknown token.
 */
import type { Part } from '../part.ts'
import type { Model } from './model.ts'
import { unknownPiece } from './model.ts'
import { byteIds, byteTokensOf, vocabularyOf } from './vocabulary.ts'

/** How much worse than the worst token an unknown character is. */
const UNKNOWN_PENALTY = 10

export function unigram(part: Part): Model {
  const { tokens, scores } = readScores(part)
  const ids = new Map(tokens.map((token, id) => [token, id]))
  const unknown =
    part.get('unk_id') === undefined || part.get('unk_id') === null ? undefined : part.integer('unk_id')
  if (unknown !== undefined && unknown >= tokens.length) throw part.wrong('unk_id', 'an id of the vocabulary')
  const byteTokens = part.flag('byte_fallback', false) ? byteTokensOf(ids) : undefined
  const unknownScore = scores.reduce((least, score) => Math.min(least, score), Infinity) - UNKNOWN_PENALTY
  const trie = createTrie(ids)

  /** For each place, where the best token that ends there starts (−1: none), and its id. */
  function bestPath(piece: string): { starts: Int32Array; ends: Int32Array } {
    const best = new Float64Array(piece.length + 1)
    const starts = new Int32Array(piece.length + 1).fill(-1)
    const ends = new Int32Array(piece.length + 1)
    const offer = (start: number, end: number, id: number, score: number): void => {
      const candidate = score + best[start]
      if (starts[end] >= 0 && candidate <= best[end]) return
      best[end] = candidate
      starts[end] = start
      ends[end] = id
    }
    for (let start = 0, length = 0; start < piece.length; start += length) {
      length = piece.codePointAt(start)! > 0xffff ? 2 : 1
      let isKnown = false
      trie(piece, start, (end, id) => {
        offer(start, end, id, scores[id])
        if (end - start === length) isKnown = true
      })
      if (isKnown) continue
      if (unknown === undefined) throw unknownPiece(piece)
      offer(start, start + length, unknown, unknownScore)
    }
    return { starts, ends }
  }

  return {
    vocabulary: { ...vocabularyOf(ids), size: tokens.length, tokenOf: (id) => tokens[id] },
    encode(piece, result) {
      const { starts, ends } = bestPath(piece)
      const backwards: number[] = []
      for (let end = piece.length; end > 0;) {
        let start = starts[end]
        if (ends[end] === unknown) while (start > 0 && ends[start] === unknown) start = starts[start]
        for (const id of idsOf(piece.slice(start, end)).toReversed()) backwards.push(id)
        end = start
      }
      for (let i = backwards.length - 1; i >= 0; i--) result.push(backwards[i])
    },
  }

  function idsOf(text: string): readonly number[] {
    const id = ids.get(text)
    if (id !== undefined) return [id]
    const bytes = byteTokens && byteIds(text, byteTokens)
    if (bytes) return bytes
    if (unknown === undefined) throw unknownPiece(text)
    return [unknown]
  }
}

function readScores(part: Part): { tokens: string[]; scores: Float64Array } {
  const vocab = part.get('vocab')
  if (!Array.isArray(vocab)) throw part.wrong('vocab', 'a list of tokens with scores')
  const scores = new Float64Array(vocab.length)
  const tokens = vocab.map((entry: unknown, id): string => {
    const [token, score]: unknown[] = Array.isArray(entry) ? entry : []
    if (typeof token !== 'string' || typeof score !== 'number')
      throw part.error(`expected "vocab"[${id}] to be a token and its score`)
    scores[id] = score
    return token
  })
  return { tokens, scores }
}

type Visit = (end: number, id: number) => void

/** Calls `visit` for each token that `text` has at `start`, shortest first. One flat map holds all edges. */
function createTrie(ids: ReadonlyMap<string, number>): (text: string, start: number, visit: Visit) => void {
  const edges = new Map<number, number>()
  const tokenAt: (number | undefined)[] = [undefined]
  for (const [token, id] of ids) {
    let node = 0
    for (let i = 0; i < token.length; i++) {
      const edge = node * 0x10000 + token.charCodeAt(i)
      let next = edges.get(edge)
      if (next === undefined) {
        next = tokenAt.push(undefined) - 1
        edges.set(edge, next)
      }
      node = next
    }
    if (node > 0) tokenAt[node] = id
  }
  return (text, start, visit) => {
    let node: number | undefined = 0
    for (let i = start; i < text.length; i++) {
      node = edges.get(node * 0x10000 + text.charCodeAt(i))
      if (node === undefined) return
      const id = tokenAt[node]
      if (id !== undefined) visit(i + 1, id)
    }
  }
}
