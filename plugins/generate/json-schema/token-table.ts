/**
 * The tokens of a vocabulary by their bytes, in order, so that tokens that begin alike are followed once.
 */
import { TrituneError } from '../../../core/mod.ts'
import type { Tokenizer } from '../../tokenizer/mod.ts'
import type { State } from './automaton.ts'

export interface TokenTable {
  /** The tokens that can come in a state, bit i % 32 of word i / 32 for token i. */
  allowed(state: State): Uint32Array
  /** The state behind a token; null: it cannot come. */
  follow(state: State, id: number): State | null
}

/** Throws E_TOKENIZER for a vocabulary that cannot write all printable ASCII byte by byte: a text could get to where nothing can come. */
export function createTokenTable(tokenizer: Tokenizer): TokenTable {
  const bytesOf = Array.from({ length: tokenizer.vocabSize }, (_, id) => tokenizer.bytesOf(id))
  const single = new Set(bytesOf.flatMap((bytes) => (bytes?.length === 1 ? [bytes[0]] : [])))
  for (let byte = 0x20; byte < 0x7f; byte++)
    if (!single.has(byte))
      throw new TrituneError(
        'E_TOKENIZER',
        `the vocabulary has no token for ${JSON.stringify(String.fromCharCode(byte))} alone: JSON of any schema cannot be written with it`,
      )
  // Where single bytes are missing, half a character could not be ended.
  const isWhole = Array.from({ length: 0xf4 - 0x7f }, (_, i) => 0x80 + i).every(
    (byte) => isNever(byte) || single.has(byte),
  )
  const usable = bytesOf.flatMap((bytes, id) =>
    bytes && bytes.length > 0 && (isWhole || isText(bytes)) ? [{ id, bytes }] : [],
  )
  usable.sort((a, b) => compare(a.bytes, b.bytes))
  const list = flatten(usable)
  const words = Math.ceil(tokenizer.vocabSize / 32)
  return {
    allowed(state) {
      state.mask ??= maskOf(state, list, words)
      return state.mask
    },
    follow(state, id) {
      let at: State | null = state
      const bytes = bytesOf[id]
      if (!bytes || bytes.length === 0) return null
      for (const byte of bytes) {
        at = at.next(byte)
        if (at === null) return null
      }
      return at
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Tokens in the order of their bytes, in few arrays: a vocabulary is walked for each new state. */
interface TokenList {
  readonly ids: Int32Array
  /** Bytes of token i: from starts[i] to starts[i + 1]. */
  readonly starts: Int32Array
  readonly bytes: Uint8Array
  /** First bytes that token i has in common with the one before. */
  readonly common: Uint16Array
  /** The first token behind i that begins with another byte. */
  readonly behind: Int32Array
}

function flatten(sorted: readonly { readonly id: number; readonly bytes: Uint8Array }[]): TokenList {
  const starts = new Int32Array(sorted.length + 1)
  for (const [i, { bytes }] of sorted.entries()) starts[i + 1] = starts[i] + bytes.length
  const all = new Uint8Array(starts[sorted.length])
  const common = new Uint16Array(sorted.length)
  const behind = new Int32Array(sorted.length)
  for (const [i, { bytes }] of sorted.entries()) {
    all.set(bytes, starts[i])
    if (i > 0) common[i] = commonLength(sorted[i - 1].bytes, bytes)
  }
  for (let i = sorted.length - 1, end = sorted.length; i >= 0; i--) {
    behind[i] = end
    if (common[i] === 0) end = i
  }
  return { ids: Int32Array.from(sorted, ({ id }) => id), starts, bytes: all, common, behind }
}

function maskOf(state: State, { ids, starts, bytes, common, behind }: TokenList, words: number): Uint32Array {
  const mask = new Uint32Array(words)
  // States behind the first bytes of the token before: `path[d]` behind d of them, for d up to `reached`.
  const path: State[] = [state]
  let reached = 0
  for (let i = 0; i < ids.length;) {
    const kept = common[i]
    // The token before ended earlier, at bytes that this one has too.
    if (kept > reached) {
      i++
      continue
    }
    const [start, length] = [starts[i], starts[i + 1] - starts[i]]
    reached = kept
    while (reached < length) {
      const next = path[reached].next(bytes[start + reached])
      if (next === null) break
      path[++reached] = next
    }
    if (reached === length) mask[ids[i] >> 5] |= 1 << (ids[i] & 31)
    // Where the first byte cannot come, none of those that begin with it can.
    i = reached === 0 ? behind[i] : i + 1
  }
  return mask
}

/** Bytes that UTF-8 does not use. */
function isNever(byte: number): boolean {
  return byte === 0xc0 || byte === 0xc1
}

function isText(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    return true
  } catch {
    return false
  }
}

function compare(a: Uint8Array, b: Uint8Array): number {
  const at = commonLength(a, b)
  return at < a.length && at < b.length ? a[at] - b[at] : a.length - b.length
}

function commonLength(a: Uint8Array, b: Uint8Array): number {
  const end = Math.min(a.length, b.length)
  let length = 0
  while (length < end && a[length] === b[length]) length++
  return length
}
