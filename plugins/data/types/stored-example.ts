/**
 * Examples in one place instead of two arrays each: tokens lie one after the other, in memory or in a file, and what is trained is kept
 * as spans. A million short examples take little more than their tokens.
 */
import { IGNORE } from './dataset-type.ts'
import type { RecordSource, TokenizedExample } from './dataset-type.ts'

/** Tokens, in two bytes each where their ids allow it. */
export type Tokens = Uint16Array | Int32Array

/** The largest id of two bytes. */
export const SHORT_ID = 0xffff

/** An area in memory. */
export function areaOf(tokens: Tokens): TokenArea {
  if (tokens instanceof Int32Array) return { read: (start, length) => tokens.subarray(start, start + length) }
  return { read: (start, length) => Int32Array.from(tokens.subarray(start, start + length)) }
}

/** Where the tokens lie. */
export interface TokenArea {
  /** May be a view; nobody writes to it. */
  read(start: number, length: number): Int32Array
}

/**
 * Which labels there are: a number is where the trained tokens begin, up to the end; spans `[start, end)` of trained tokens; or the labels
 * themselves, where they are neither the token nor −100.
 */
export type Mask = number | readonly (readonly [start: number, end: number])[] | Int32Array

/** An example whose tokens lie in an area; ids and labels are made when they are asked for. */
export class StoredExample implements TokenizedExample {
  readonly #area: TokenArea
  readonly #start: number
  readonly #mask: Mask
  readonly #file: string
  readonly #line: number
  /** Tokens. */
  readonly length: number

  constructor(area: TokenArea, start: number, length: number, mask: Mask, { file, line }: RecordSource) {
    this.#area = area
    this.#start = start
    this.#mask = mask
    this.#file = file
    this.#line = line
    this.length = length
  }

  get ids(): Int32Array {
    return this.#area.read(this.#start, this.length)
  }

  get labels(): Int32Array {
    const mask = this.#mask
    if (mask instanceof Int32Array) return mask
    const ids = this.ids
    const labels = new Int32Array(this.length).fill(IGNORE)
    for (const [start, end] of spansOf(mask, this.length)) labels.set(ids.subarray(start, end), start)
    return labels
  }

  get source(): RecordSource {
    return { file: this.#file, line: this.#line }
  }

  /** As `trainedTokens()` counts, without reading the tokens. */
  get trained(): number {
    const mask = this.#mask
    if (mask instanceof Int32Array)
      return mask.subarray(1).reduce((count, label) => count + (label === IGNORE ? 0 : 1), 0)
    let count = 0
    for (const [start, end] of spansOf(mask, this.length)) count += Math.max(0, end - Math.max(1, start))
    return count
  }

  slice(start: number, end: number): StoredExample {
    const to = Math.min(end, this.length)
    const mask = this.#mask
    const part: Mask =
      mask instanceof Int32Array
        ? mask.slice(start, to)
        : typeof mask === 'number'
          ? Math.min(Math.max(0, mask - start), to - start)
          : mask.flatMap(([from, until]): [number, number][] => {
              const span: [number, number] = [Math.max(0, from - start), Math.min(until, to) - start]
              return span[0] < span[1] ? [span] : []
            })
    return new StoredExample(this.#area, this.#start + start, to - start, part, this.source)
  }
}

/** The mask of the labels of an example. */
export function maskOf({ ids, labels }: Pick<TokenizedExample, 'ids' | 'labels'>): Mask {
  const spans: [number, number][] = []
  const { length } = ids
  for (let i = 0; i < length; i++) {
    if (labels[i] === IGNORE) continue
    if (labels[i] !== ids[i]) return labels.slice()
    const last = spans.at(-1)
    if (last !== undefined && last[1] === i) last[1] = i + 1
    else spans.push([i, i + 1])
  }
  if (spans.length === 0) return length
  return spans.length === 1 && spans[0][1] === length ? spans[0][0] : spans
}

function spansOf(mask: Exclude<Mask, Int32Array>, length: number): readonly (readonly [number, number])[] {
  return typeof mask === 'number' ? [[mask, length]] : mask
}

/** Whether an example is no more than its tokens and labels; others are kept as they are. */
export function isPlain({ documents, values, untrained }: TokenizedExample): boolean {
  return documents === undefined && values === undefined && untrained === undefined
}

/** Tokens of an example, without reading them where that is known. */
export function lengthOf(example: Pick<TokenizedExample, 'ids'>): number {
  return example instanceof StoredExample ? example.length : example.ids.length
}

/** A part of an example. */
export function sliceOf(example: TokenizedExample, start: number, end: number): TokenizedExample {
  if (example instanceof StoredExample) return example.slice(start, end)
  const { ids, labels, ...rest } = example
  return { ...rest, ids: ids.subarray(start, end), labels: labels.subarray(start, end) }
}
