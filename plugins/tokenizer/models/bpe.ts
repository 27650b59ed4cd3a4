/**
 * Byte-pair encoding: the characters of a piece are merged by rank until no merge is left
 * (R. Sennrich et al., https://arxiv.org/abs/1508.07909), with the options of the Rust library.
 */
import type { Part } from '../part.ts'
import { createHeap } from './heap.ts'
import type { Model } from './model.ts'
import { unknownPiece } from './model.ts'
import { byteIds, byteTokensOf, readVocabulary } from './vocabulary.ts'
import { rememberPieces } from './piece-cache.ts'

export function bpe(part: Part): Model {
  const vocabulary = readVocabulary(part)
  const { ids: known } = vocabulary
  refuseDropout(part)
  const prefix = part.optionalText('continuing_subword_prefix') ?? ''
  const suffix = part.optionalText('end_of_word_suffix') ?? ''
  const unknownToken = part.optionalText('unk_token')
  const unknown = unknownToken === null ? undefined : known.get(unknownToken)
  const fuseUnknown = part.flag('fuse_unk', false)
  const byteTokens = part.flag('byte_fallback', false) ? byteTokensOf(known) : undefined
  const ignoreMerges = part.flag('ignore_merges', false)
  const merges = readMerges(part, known, prefix)

  /** The ids of the single characters. Characters that cannot be written are left out when there is no unknown token. */
  function symbols(piece: string): number[] {
    const found: number[] = []
    let pending = 0
    for (let start = 0, end = 0; start < piece.length; start = end) {
      end = start + (piece.codePointAt(start)! > 0xffff ? 2 : 1)
      const char = piece.slice(start, end)
      const spelled = (start > 0 ? prefix : '') + char + (end === piece.length ? suffix : '')
      const id = known.get(spelled)
      if (id !== undefined) {
        flush()
        found.push(id)
        continue
      }
      const bytes = byteTokens && byteIds(spelled, byteTokens)
      if (bytes) found.push(...bytes)
      else if (unknownToken !== null) {
        if (!fuseUnknown) flush()
        pending = 1
      }
    }
    flush()
    return found

    function flush(): void {
      if (pending === 0) return
      if (unknown === undefined) throw unknownPiece(piece)
      found.push(unknown)
      pending = 0
    }
  }

  const encodePiece = rememberPieces((piece) => mergeAll(symbols(piece), merges))
  return {
    vocabulary,
    encode(piece, ids) {
      const whole = ignoreMerges ? known.get(piece) : undefined
      if (whole !== undefined) ids.push(whole)
      else for (const id of encodePiece(piece)) ids.push(id)
    },
  }
}

interface Merges {
  /** left × size + right → rank */
  readonly ranks: ReadonlyMap<number, number>
  readonly size: number
  /** What a merge of some rank gives. */
  readonly results: Int32Array
}

function mergeAll(symbols: number[], { ranks, size, results }: Merges): number[] {
  const count = symbols.length
  if (count < 2) return symbols
  const next = Int32Array.from({ length: count }, (_, i) => (i + 1 < count ? i + 1 : -1))
  const previous = Int32Array.from({ length: count }, (_, i) => i - 1)
  const isGone = new Uint8Array(count)
  // Lowest rank first, then leftmost: both in one number.
  const heap = createHeap<number>((a, b) => a < b)
  const offer = (left: number, right: number): void => {
    const rank = ranks.get(symbols[left] * size + symbols[right])
    if (rank !== undefined) heap.push(rank * 2 ** 32 + left)
  }
  for (let i = 0; i + 1 < count; i++) offer(i, i + 1)
  for (let top = heap.pop(); top !== undefined; top = heap.pop()) {
    const left = top % 2 ** 32
    const right = next[left]
    if (isGone[left] === 1 || right < 0) continue
    const merged = results[Math.floor(top / 2 ** 32)]
    const rank = ranks.get(symbols[left] * size + symbols[right])
    // The entry may be about symbols that have been merged since.
    if (rank === undefined || results[rank] !== merged) continue
    symbols[left] = merged
    isGone[right] = 1
    next[left] = next[right]
    if (next[left] >= 0) previous[next[left]] = left
    if (previous[left] >= 0) offer(previous[left], left)
    if (next[left] >= 0) offer(left, next[left])
  }
  return symbols.filter((_, i) => isGone[i] === 0)
}

function readMerges(part: Part, known: ReadonlyMap<string, number>, prefix: string): Merges {
  const list = part.get('merges')
  if (!Array.isArray(list)) throw part.wrong('merges', 'a list')
  const pairs =
    typeof list[0] === 'string' ? list.filter((line) => !String(line).startsWith('#version')) : list
  let size = 1
  for (const id of known.values()) size = Math.max(size, id + 1)
  const ranks = new Map<number, number>()
  const results = new Int32Array(pairs.length)
  pairs.forEach((pair: unknown, rank) => {
    const [left, right, ...more]: unknown[] =
      typeof pair === 'string' ? pair.split(' ') : Array.isArray(pair) ? pair : []
    if (typeof left !== 'string' || typeof right !== 'string' || more.length > 0)
      throw part.error(`expected "merges"[${rank}] to be two tokens`)
    const idOf = (token: string): number => {
      const id = known.get(token)
      if (id === undefined)
        throw part.error(
          `"merges"[${rank}] needs the token ${JSON.stringify(token)}, which is not in "vocab"`,
        )
      return id
    }
    const merged = left + (prefix === '' ? right : right.slice(prefix.length))
    results[rank] = idOf(merged)
    ranks.set(idOf(left) * size + idOf(right), rank)
  })
  return { ranks, size, results }
}

/** With dropout the ids of a text differ from call to call, which no run that can be repeated may have. */
function refuseDropout(part: Part): void {
  const dropout = part.get('dropout') ?? 0
  if (typeof dropout !== 'number' || dropout < 0 || dropout > 1)
    throw part.wrong('dropout', 'a number from 0 to 1')
  if (dropout > 0)
    throw part.error(
      `"dropout" is ${dropout}: the ids would be drawn at random`,
      'set it to null in tokenizer.json',
    )
}
