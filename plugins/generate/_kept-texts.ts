/**
 * Texts that have a row of the cache, open or ended, and which of them begins like a new prompt. Ended ones are kept while there is room, the last used
 * ones longest.
 */
import type { KvRows } from '../../core/mod.ts'
import type { Text } from './_text.ts'

/** A text that begins like a prompt. */
export interface Beginning {
  readonly from: Text
  /** Tokens that they have in common; the whole prompt only where the logits behind it are there. */
  readonly length: number
}

/** Disposing it frees what texts own; the cache is its owner's. */
export interface KeptTexts extends Disposable {
  /** A row for a new text; the oldest text that is kept goes where none is free. */
  take(text: Text): number
  /** The text has ended: it is kept, or its row freed. */
  end(text: Text): void
  /** The text with the longest beginning in common; null: none is worth it. */
  find(text: Text): Beginning | null
  /** Frees the rows of all that have ended. */
  forget(): void
}

/** Texts that are kept, at most. */
export const MOST_KEPT = 64
/** Copying fewer tokens than this is no faster than computing them. */
const LEAST = 8

/** Tokens of a text that the cache holds. */
export function heldOf(cache: KvRows, { row, lead }: Text): number {
  return row === null ? 0 : Math.max(0, cache.lengthOf(row) - lead)
}

/** How texts are kept. */
export interface KeptOptions {
  /** Of all that are kept, but the last one always is. */
  readonly bytes: number
  /** Only whole prompts are of use to others. */
  readonly onlyWhole: boolean
}

/** The cache has MOST_KEPT rows more than texts can be open. */
export function createKeptTexts(cache: KvRows, { bytes, onlyWhole }: KeptOptions): KeptTexts {
  const free = new Set(Array.from({ length: cache.rows }, (_, row) => row))
  const open = new Set<Text>()
  /** The last used one last. */
  const kept = new Set<Text>()

  const drop = (text: Text): void => {
    kept.delete(text)
    text.promptLogits?.dispose()
    text.promptLogits = null
    if (text.row === null) return
    cache.free(text.row)
    free.add(text.row)
    text.row = null
  }
  const sizeOf = ({ row }: Text): number => (row === null ? 0 : cache.lengthOf(row) * cache.tokenBytes)
  const trim = (): void => {
    let total = [...kept].reduce((sum, text) => sum + sizeOf(text), 0)
    for (const text of [...kept].slice(0, -1)) {
      if (total <= bytes && kept.size <= MOST_KEPT) return
      total -= sizeOf(text)
      drop(text)
    }
  }
  return {
    take(text) {
      const [oldest] = kept
      if (free.size === 0) drop(oldest)
      const [row] = free
      free.delete(row)
      open.add(text)
      return row
    },
    end(text) {
      open.delete(text)
      const held = heldOf(cache, text)
      if (held === 0) return drop(text)
      for (const other of kept) if (isWithin(other, heldOf(cache, other), text, held)) drop(other)
      kept.add(text)
      trim()
    },
    find({ history: prompt, key }) {
      let best: Beginning | null = null
      for (const from of [...open, ...kept]) {
        if (from.key !== key) continue
        const common = commonLength(from.history, prompt, heldOf(cache, from))
        const isWhole = common === prompt.length && from.promptLength === common && from.promptLogits !== null
        // Else the last token goes through the model, for its logits.
        const length = isWhole ? common : Math.min(common, prompt.length - 1)
        if ((isWhole || (!onlyWhole && length >= LEAST)) && length > (best?.length ?? 0))
          best = { from, length }
      }
      if (best && kept.delete(best.from)) kept.add(best.from)
      return best
    },
    forget() {
      for (const text of kept) drop(text)
    },
    [Symbol.dispose]() {
      for (const { promptLogits } of [...open, ...kept]) promptLogits?.dispose()
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Whether a longer text holds all that another one does. */
function isWithin(inner: Text, innerHeld: number, outer: Text, outerHeld: number): boolean {
  if (inner.key !== outer.key || innerHeld > outerHeld) return false
  return commonLength(inner.history, outer.history, innerHeld) === innerHeld
}

function commonLength(a: readonly number[], b: readonly number[], most: number): number {
  const end = Math.min(most, a.length, b.length)
  let length = 0
  while (length < end && a[length] === b[length]) length++
  return length
}
