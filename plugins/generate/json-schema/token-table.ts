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
  const common = usable.map(({ bytes }, i) => (i === 0 ? 0 : commonLength(usable[i - 1].bytes, bytes)))
  const words = Math.ceil(tokenizer.vocabSize / 32)
  return {
    allowed(state) {
      if (state.mask) return state.mask
      const mask = new Uint32Array(words)
      // States behind the first bytes of the token before: `path[d]` behind d of them, as far as they can come.
      const path: State[] = [state]
      for (const [i, { id, bytes }] of usable.entries()) {
        const kept = common[i]
        // The token before ended earlier, at bytes that this one has too.
        if (path.length <= kept) continue
        path.length = kept + 1
        for (let d = kept; d < bytes.length; d++) {
          const next = path[d].next(bytes[d])
          if (next === null) break
          path.push(next)
        }
        if (path.length > bytes.length) mask[id >> 5] |= 1 << (id & 31)
      }
      state.mask = mask
      return mask
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
