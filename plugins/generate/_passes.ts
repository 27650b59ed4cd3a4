/**
 * The passes of an engine: one token of every text that grows, then prompts, in pieces.
 */
import {
  BASE_MODEL,
  headLogits,
  type KvRows,
  type Model,
  noGrad,
  type RowPart,
  type Tensor,
  tensorScope,
  withDocumentAdapters,
} from '../../core/mod.ts'
import { createBatch } from '../models/mod.ts'
import { isDivisible, withActive } from './_adapters.ts'
import { chooseAll } from './_choose-batch.ts'
import { createKeptTexts, heldOf, type KeptTexts, MOST_KEPT } from './_kept-texts.ts'
import type { Text } from './_text.ts'
import { lastLogits } from './generate.ts'

export interface PassesOptions {
  readonly rows: number
  /** Of the longest text. */
  readonly tokens: number
  /** Of prompts, in one run. */
  readonly promptTokens: number
  /** Bytes of texts that have ended. */
  readonly promptCache: number
}

export interface Passes extends Disposable {
  /** Of keys and values. */
  readonly bytes: number
  /** Chooses the next token of each text that grows, or whose prompt gets through. */
  run(texts: readonly Text[]): void
  /** Whether the row of the text has no room for a token more. */
  isFull(text: Text): boolean
  end(text: Text): void
  /** Forgets texts that have ended. */
  forget(): void
}

export function openPasses(model: Model, { rows, tokens, promptTokens, promptCache }: PassesOptions): Passes {
  const { contextLength } = model.info
  const isWhole = turnsByLength(model)
  const most = isWhole ? contextLength : promptTokens
  let opened: { readonly cache: KvRows; readonly kept: KeptTexts } | null = null
  const open = (): NonNullable<typeof opened> => {
    if (opened) return opened
    using one = withActive(model, [], () => model.createCache(1))
    const cache = one.openRows(rows + MOST_KEPT, contextLength)
    opened = { cache, kept: createKeptTexts(cache, { bytes: promptCache, onlyWhole: isWhole }) }
    return opened
  }

  /** Logits (1, V) behind the last token of each part, in the order of `parts`. */
  const pass = (parts: readonly (RowPart & { readonly text: Text })[], cache: KvRows): Tensor[] => {
    const { rows: order, ...places } = cache.next(parts)
    const ordered = order.flatMap((row) => parts.filter((part) => part.row === row))
    const ids = ordered.flatMap(({ text, tokens: count }) => {
      const from = heldOf(cache, text)
      return text.history.slice(from, from + count)
    })
    const batch = createBatch({ ids, ...places }, model.head.device)
    const forward = (): Tensor => {
      const hidden = model.hidden(batch, { cache })
      return headLogits(model.head, ids.length === parts.length ? hidden : hidden.rowsView(ids.length - 1, 1))
    }
    const [first] = parts
    const logits = parts.every(({ text: { key } }) => key === first.text.key)
      ? withActive(model, first.text.adapters, forward)
      : withDocumentAdapters(
          model,
          batch,
          ordered.flatMap(({ text: { adapters = [] } }) => [BASE_MODEL, adapters]),
          forward,
        )
    return parts.map((part) => logits.rowsView(parts.length === 1 ? 0 : ordered.indexOf(part), 1))
  }
  const grow = (texts: readonly Text[], cache: KvRows): void =>
    noGrad(() => {
      using _scope = tensorScope()
      const parts = texts.flatMap((text) => (text.row === null ? [] : [{ text, row: text.row, tokens: 1 }]))
      const logits = pass(parts, cache)
      chooseFor(texts, (i) => logits[i])
    })

  /** Gives a text its row, and what its prompt has in common with another one; all of its prompt where adapters stand before it. */
  const begin = (text: Text): void => {
    const { cache, kept } = open()
    const beginning = kept.find(text)
    const row = kept.take(text)
    text.row = row
    if (beginning && beginning.from.row !== null) {
      const { from, length } = beginning
      cache.copy(row, beginning.from.row, text.lead + length)
      text.reused = length
      const { promptLogits } = from
      if (length < text.promptLength || promptLogits === null) return
      noGrad(() => {
        using _scope = tensorScope()
        chooseFor([text], () => promptLogits)
      })
      return
    }
    if (text.lead === 0) return
    using one = withActive(model, text.adapters, () => model.createCache(text.promptLength))
    noGrad(() => {
      using _scope = tensorScope()
      promptEnds(
        text,
        withActive(model, text.adapters, () => lastLogits(model, text.history, one)),
      )
    })
    cache.begin([row], one)
  }
  const promptEnds = (text: Text, logits: Tensor): void => {
    chooseFor([text], () => logits)
    logits.adopt(null)
    text.promptLogits = logits
  }
  /** Takes prompts further, in order; a long one in equal pieces. */
  const goThrough = (texts: readonly Text[]): void => {
    let left = most
    for (const text of texts) {
      if (left <= 0) return
      if (text.row === null) begin(text)
      const { row, promptLength } = text
      const { cache } = open()
      const rest = promptLength - heldOf(cache, text)
      if (rest === 0 || row === null) continue
      const piece = Math.ceil(rest / Math.ceil(rest / most))
      if (piece > left && left < most) return
      left -= piece
      noGrad(() => {
        using _scope = tensorScope()
        const [logits] = pass([{ text, row, tokens: piece }], cache)
        if (piece === rest) promptEnds(text, logits)
      })
    }
  }
  return {
    get bytes() {
      return opened?.cache.bytes ?? 0
    },
    run(texts) {
      const isThrough = (text: Text): boolean => text.made > 0
      const growing = texts.filter(isThrough)
      for (const together of passesOf(model, growing)) grow(together, open().cache)
      goThrough(texts.filter((text) => !isThrough(text)))
    },
    isFull({ row, lead }) {
      return row !== null && open().cache.lengthOf(row) >= Math.min(contextLength, tokens + lead)
    },
    end(text) {
      opened?.kept.end(text)
    },
    forget() {
      opened?.kept.forget()
    },
    [Symbol.dispose]() {
      opened?.kept[Symbol.dispose]()
      opened?.cache[Symbol.dispose]()
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Whether positions turn by the length of a text: then the keys of a beginning are not those of the whole. */
function turnsByLength({ info: { config } }: Model): boolean {
  const scaling = config.rope_parameters ?? config.rope_scaling ?? {}
  const { rope_type: type, type: older }: { rope_type?: unknown; type?: unknown } = scaling
  return ['dynamic', 'longrope', 'su'].includes(String(type ?? older))
}

/** Texts that make their next token together. */
function passesOf(model: Model, texts: readonly Text[]): readonly (readonly Text[])[] {
  const groups = Object.values(Object.groupBy(texts, ({ key }) => key)).filter((group) => group !== undefined)
  const together = groups.length > 1 && texts.every(({ adapters }) => isDivisible(model, adapters))
  return together ? [texts] : groups
}

function chooseFor(texts: readonly Text[], logitsOf: (index: number) => Tensor): void {
  const chosen = chooseAll(texts.map((text, i) => ({ text, logits: logitsOf(i) })))
  for (const [i, text] of texts.entries()) text.next = chosen[i]
}
