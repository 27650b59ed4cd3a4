/**
 * Datasets that are read while a run goes on: chunk after chunk of examples, each shuffled and packed by itself, in memory that does not
 * grow with the data.
 *
 * The blocks of an entry's files come in an order that the seed decides, another one in each pass; the entries of a chunk meet in the
 * shares of their weights. Where each entry stands at the start of a chunk is all that a resumed run needs to make the same chunk again.
 */
import { ConfigError } from '../../../core/contracts/config.ts'
import { type JsonValue, jsonField, type Stateful } from '../../../core/contracts/stateful.ts'
import { createRandom } from '../../../core/tensor/random.ts'
import type { TokenizedExample } from '../types/dataset-type.ts'
import type { UntrainedExample } from './length-policy.ts'
import { applyLengthPolicy } from './length-policy.ts'
import { lengthPolicy } from './load-entry.ts'
import { createSource, type Cursor, readCursor, type Source } from './stream-source.ts'
import type { StreamEntry } from './stream-source.ts'

/** A part of a stream. */
export interface Chunk {
  /** From 0. */
  readonly index: number
  readonly examples: readonly TokenizedExample[]
}

/** Examples without an end. Its state is where the current chunk began. */
export interface ExampleStream extends Stateful, Disposable {
  /** The chunk after the current one; the first, or the one of the state that was loaded, when there is none. */
  next(): Promise<Chunk>
  /** Bytes of the files of each entry: with other ones a resumed run would read something else. */
  readonly sizes: readonly (readonly number[])[]
  /** What was read for the current chunk: records of each entry, and those with nothing to learn. */
  readonly read: readonly { readonly records: number; readonly untrained: readonly UntrainedExample[] }[]
  /** Sees the examples of every chunk before they are trained; the current one at once. */
  watch(check: (examples: readonly TokenizedExample[]) => void): void
}

/** What a stream is made of. */
export interface StreamOptions {
  readonly entries: readonly StreamEntry[]
  /** Examples of a chunk; the pieces of one text stay together, so there may be some more. */
  readonly chunkSize: number
  readonly seed: number
  /** false keeps the files in order. */
  readonly shuffle: boolean
}

/** Opens the files of the entries. Throws a `ConfigError` at an entry without records; E_DATA with `file:line`. */
export async function createExampleStream(options: StreamOptions): Promise<ExampleStream> {
  const { entries, chunkSize, seed } = options
  const sources: Source[] = []
  for (const [i, entry] of entries.entries())
    sources.push(await createSource(entry, { seed, stream: `entry ${i}`, shuffle: options.shuffle }))
  const weights = entries.map(({ options: { weight } }) => weight ?? 1)
  let index = -1
  let start: Cursor[] = sources.map(({ cursor }) => cursor)
  let current: readonly TokenizedExample[] | null = null
  let read: { records: number; untrained: UntrainedExample[] }[] = []
  const checks: ((examples: readonly TokenizedExample[]) => void)[] = []

  async function fill(chunk: number): Promise<TokenizedExample[]> {
    const choose = chooser(weights, seed, chunk)
    const examples: TokenizedExample[] = []
    read = sources.map(() => ({ records: 0, untrained: [] }))
    const fruitless = sources.map(() => 0)
    while (examples.length < chunkSize) {
      const at = choose()
      const example = await sources[at].next()
      const kept = applyLengthPolicy([example], lengthPolicy(entries[at]))
      read[at].records++
      read[at].untrained.push(...kept.untrained)
      examples.push(...kept.examples)
      fruitless[at] = kept.examples.length > 0 ? 0 : fruitless[at] + 1
      if (fruitless[at] > sources[at].records()) throw nothingToTrain(entries[at])
    }
    return examples
  }

  return {
    async next() {
      if (current !== null) start = sources.map(({ cursor }) => cursor)
      index++
      const examples = await fill(index)
      for (const check of checks) check(examples)
      current = examples
      return { index, examples }
    },
    sizes: sources.map(({ sizes }) => sizes),
    get read() {
      return read
    },
    watch(check) {
      checks.push(check)
      if (current !== null) check(current)
    },
    saveState: () => ({
      chunk: index,
      start: Object.fromEntries(start.map((cursor, i) => [i, { ...cursor }])),
    }),
    loadState(saved: JsonValue) {
      index = Number(jsonField(saved, 'chunk')) - 1
      const cursors = jsonField(saved, 'start')
      start = sources.map((source, i) => {
        const cursor = readCursor(jsonField(cursors, String(i)))
        source.moveTo(cursor)
        return cursor
      })
      current = null
    },
    [Symbol.dispose]() {
      for (const source of sources) source[Symbol.dispose]()
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Numbers of entries, as often as their weights say. */
function chooser(weights: readonly number[], seed: number, chunk: number): () => number {
  if (weights.length === 1) return () => 0
  const random = createRandom(seed, `entries of chunk ${chunk}`)
  const sum = weights.reduce((all, weight) => all + weight, 0)
  return () => {
    let left = (random.uint32() / 2 ** 32) * sum
    const found = weights.findIndex((weight) => (left -= weight) < 0)
    return found < 0 ? weights.length - 1 : found
  }
}

function nothingToTrain({ path, options }: StreamEntry): ConfigError {
  return new ConfigError([
    {
      code: 'E_DATA',
      path,
      what: `nothing of ${options.path} can be trained: all of its records are too long, too short or have nothing to learn`,
      remedy: 'raise sequence_len, or check its type and fields',
    },
  ])
}
