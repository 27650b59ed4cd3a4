/**
 * Item memory (clean-up memory): vectors under names, and the search for those nearest to a query (Kanerva 2009). It compares with
 * every item, many queries at once, on a device; it is exact and keeps no index. Files are item-memory-file.ts'.
 */
import {
  defaultDevice,
  type Device,
  didYouMean,
  noGrad,
  tensorScope,
  type Tensor,
  TrituneError,
  vsaSimilarity,
} from '../../../core/mod.ts'
import { expectInteger, expectKnown } from '../../../core/tensor/expect.ts'
import { packedTrits } from '../vectors/packed-trits.ts'
import { intsOfTensor, joinedWords, planesTensor, vectorAt } from '../vectors/plane-tensor.ts'
import { wordsOf } from '../vectors/planes.ts'
import { cosineOf, expectDims, type PackedTritVec, type TritVec } from '../vectors/trit-vec.ts'
import { topMatches } from './top-matches.ts'
import { writeItemMemory } from './item-memory-file.ts'

/** How a search measures: the cosine, or the inner product. */
export type ItemMetric = 'cosine' | 'dot'

/** What a search is told. */
export interface NearestOptions {
  /** How many items of each query; default 1. Fewer come where there are fewer. */
  readonly k?: number
  /** Default: cosine. */
  readonly metric?: ItemMetric
}

/** An item that a search found. */
export interface ItemMatch {
  readonly name: string
  /** In the order in which items were added. */
  readonly index: number
  readonly score: number
}

/** Vectors under names. It owns what it holds on its device: dispose it. */
export interface ItemMemory extends Disposable {
  readonly dims: number
  readonly size: number
  names(): readonly string[]
  has(name: string): boolean
  /** E_NAME for a name that is there, E_SHAPE for other dimensions. */
  add(name: string, vector: TritVec): void
  /** E_NAME for a name that is not there. */
  get(name: string): PackedTritVec
  /** The nearest items, best first; of equal ones the one that was added first. E_VALUE where there are no items. */
  nearest(query: TritVec, options?: NearestOptions): readonly ItemMatch[]
  /** As `nearest()` for each query, in one pass over the items. */
  nearestAll(queries: readonly TritVec[], options?: NearestOptions): readonly (readonly ItemMatch[])[]
  /** Writes a safetensors file, whole or not at all. E_FILE, E_DISK. */
  save(path: string): void
}

/** What an item memory is made of. */
export interface ItemMemoryOptions {
  readonly dims: number
  /** Where searches run; default: the default device of the time of a search. */
  readonly device?: Device
}

/** So many similarities are made at once: 64 MiB. */
const CHUNK = 2 ** 24

const METRICS: { readonly [M in ItemMetric]: true } = { cosine: true, dot: true }

/**
 * Makes an empty item memory.
 *
 * @example
 * ```ts
 * import { createItemMemory, packedTrits, symbolEncoder } from 'tritune/plugins/ternary'
 *
 * const { encode } = symbolEncoder({ dims: 1000, seed: 1 })
 * using memory = createItemMemory({ dims: 1000 })
 * for (const name of ['cat', 'dog', 'fox']) memory.add(name, encode(name))
 * const noisy = packedTrits.bundle([encode('dog'), encode('dog'), encode('x'), encode('y')])
 * console.log(memory.nearest(noisy)[0].name) // → dog
 * ```
 */
export function createItemMemory({ dims, device }: ItemMemoryOptions): ItemMemory {
  expectDims('createItemMemory', dims)
  const width = 2 * wordsOf(dims)
  const indexOf = new Map<string, number>()
  const nonzeros: number[] = []
  let words = new Uint32Array(width)
  let cached: Tensor | null = null
  const forget = (): void => {
    cached?.dispose()
    cached = null
  }

  const names = (): readonly string[] => [...indexOf.keys()]
  const held = (): Uint32Array => words.subarray(0, indexOf.size * width)

  /** The items on the device; made again where there are more, or the default device is another. */
  function items(): Tensor {
    const wanted = device ?? defaultDevice()
    if (cached !== null && cached.device !== wanted) forget()
    if (cached === null) {
      cached = planesTensor(held(), dims, wanted)
      cached.adopt(null)
    }
    return cached
  }

  function nearestAll(
    queries: readonly TritVec[],
    { k = 1, metric = 'cosine' }: NearestOptions = {},
  ): readonly (readonly ItemMatch[])[] {
    expectInteger('nearest', 'k', k, { min: 1 })
    expectKnown('nearest', 'metric', metric, METRICS)
    if (indexOf.size === 0)
      throw new TrituneError('E_VALUE', 'nearest: there are no items', { remedy: 'add some first' })
    for (const query of queries) expectOwnDims('nearest', query)
    const packed = queries.map((query) => packedTrits.from(query))
    const all = names()
    const rows = Math.max(1, Math.floor(CHUNK / all.length))
    const matches: ItemMatch[][] = []
    for (let from = 0; from < packed.length; from += rows) {
      const some = packed.slice(from, from + rows)
      const dots = dotsWith(some)
      for (const [row, query] of some.entries()) {
        const { zero } = packedTrits.counts(query)
        const scores = Float64Array.from(all, (_, item) => {
          const dot = dots[row * all.length + item]
          return metric === 'dot' ? dot : cosineOf(dot, dims - zero, nonzeros[item])
        })
        matches.push(
          topMatches(scores, k).map((index) => ({ name: all[index], index, score: scores[index] })),
        )
      }
    }
    return matches
  }

  function dotsWith(queries: readonly PackedTritVec[]): Int32Array {
    using _scope = tensorScope()
    const known = items()
    const asked = planesTensor(joinedWords(queries, dims), dims, known.device)
    return intsOfTensor(noGrad(() => vsaSimilarity(asked, known, { dims })))
  }

  function expectOwnDims(subject: string, vector: TritVec): void {
    if (vector.dims !== dims)
      throw new TrituneError(
        'E_SHAPE',
        `${subject}: a vector of ${vector.dims} dimensions, the memory has ${dims}`,
      )
  }

  return {
    dims,
    get size() {
      return indexOf.size
    },
    names,
    has: (name) => indexOf.has(name),
    add(name, vector) {
      expectOwnDims('add', vector)
      if (indexOf.has(name)) throw new TrituneError('E_NAME', `add: there is an item "${name}"`)
      const { plus, minus } = packedTrits.from(vector)
      const at = indexOf.size * width
      if (at + width > words.length) words = grown(words)
      words.set(plus, at)
      words.set(minus, at + plus.length)
      indexOf.set(name, indexOf.size)
      nonzeros.push(dims - packedTrits.counts({ kind: 'packed', dims, plus, minus }).zero)
      forget()
    },
    get(name) {
      const index = indexOf.get(name)
      if (index !== undefined) return packedTrits.fromPlanes(vectorAt(words, index, dims))
      throw new TrituneError('E_NAME', `there is no item "${name}"`, {
        remedy: didYouMean(name, indexOf.keys()),
      })
    },
    nearest: (query, options) => nearestAll([query], options)[0],
    nearestAll,
    save(path) {
      writeItemMemory(path, { dims, names: names(), words: held() })
    },
    [Symbol.dispose]: forget,
  }
}

function grown(words: Uint32Array): Uint32Array<ArrayBuffer> {
  const more = new Uint32Array(2 * words.length)
  more.set(words)
  return more
}
