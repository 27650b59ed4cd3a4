/**
 * Keys and values of many documents, for generation in batches.
 *
 * Each layer has one tensor; a row is a stretch of `capacity` tokens of it. Attention reads it in place: the room behind each row is a document
 * without queries. A layout of pages would take the place of the stretches, behind the same interface.
 */
import {
  addTo,
  clear,
  embeddingBackward,
  type KvRows,
  noGrad,
  reshape,
  run,
  tensor,
  type Tensor,
  tensorScope,
  TrituneError,
  zeros,
} from '../../core/mod.ts'
import { owned } from './_owned.ts'
import type { CacheShape, DocumentCache, LayerCache } from './layer-cache.ts'

/** The rows as the model code uses them. */
export interface RowsCache extends KvRows, LayerCache {}

export function createRows(rows: number, capacity: number, shape: CacheShape): RowsCache {
  const { layers, kvHeads, headDim, dtype, device } = shape
  const make = (): Tensor[] =>
    Array.from({ length: layers }, () => owned(zeros([rows * capacity, kvHeads, headDim], { dtype, device })))
  const stores = [make(), make()] as const
  const lengths = new Int32Array(rows)
  let pass: Pass | null = null

  /** The rows are zero where nothing was written, so adding is writing. */
  const write = (store: Tensor, tokens: Tensor, { index, places }: Pass): void => {
    if (dtype === 'f32') {
      const flat = reshape(store, [rows * capacity, kvHeads * headDim])
      const dy = reshape(tokens, [places.length, kvHeads * headDim])
      run(embeddingBackward, { dy, ids: index }, { rows: rows * capacity }, { dtable: flat })
      return
    }
    for (const [i, place] of places.entries()) {
      using target = store.rowsView(place, 1)
      using token = tokens.rowsView(i, 1)
      addTo(target, token)
    }
  }
  const expectRow = (row: number): void => {
    if (!Number.isInteger(row) || row < 0 || row >= rows)
      throw new TrituneError('E_SHAPE', `row ${row} is not one of the ${rows} rows of the KV cache`)
  }
  const endPass = (): void => {
    pass?.index.dispose()
    pass?.offsets.dispose()
    pass = null
  }
  const free = (row: number): void => {
    expectRow(row)
    const length = lengths[row]
    lengths[row] = 0
    for (const store of stores)
      for (const layer of store) {
        using view = layer.rowsView(row * capacity, length)
        clear(view)
      }
  }
  return {
    capacity,
    rows,
    get length() {
      return lengths.reduce((most, length) => Math.max(most, length), 0)
    },
    lengthOf: (row) => lengths[row],
    begin(taken, from) {
      const { length, held } = from as DocumentCache
      for (const row of taken) {
        expectRow(row)
        if (lengths[row] > 0) throw new TrituneError('E_SHAPE', `row ${row} of the KV cache is taken`)
        if (length > capacity) throw full(capacity, length)
      }
      noGrad(() => {
        using _scope = tensorScope()
        for (let layer = 0; layer < layers; layer++) {
          const { k, v } = held(layer)
          for (const row of taken) {
            addTo(stores[0][layer].rowsView(row * capacity, length), k)
            addTo(stores[1][layer].rowsView(row * capacity, length), v)
          }
        }
      })
      for (const row of taken) lengths[row] = length
    },
    free,
    next(taken) {
      endPass()
      const positions = new Int32Array(taken.length)
      const offsets = [0]
      const keyOffsets = [0]
      for (const [i, row] of taken.entries()) {
        expectRow(row)
        if (i > 0 && row <= taken[i - 1]) throw new TrituneError('E_SHAPE', 'rows of a pass must ascend')
        if (lengths[row] === capacity) throw full(capacity, capacity + 1)
        positions[i] = lengths[row]
        const start = row * capacity
        // The room before the row, then the row with its new token.
        offsets.push(i, i + 1)
        keyOffsets.push(start, start + lengths[row] + 1)
      }
      const places = taken.map((row) => row * capacity + lengths[row])
      const options = { dtype: 'i32', device } as const
      pass = {
        taken,
        places,
        index: owned(tensor(places, options)),
        offsets: owned(tensor(keyOffsets, options)),
        end: keyOffsets[keyOffsets.length - 1],
      }
      return { positions, offsets: Int32Array.from(offsets) }
    },
    extend(layer, k, v) {
      const now = pass
      if (now === null || k.shape[0] !== now.taken.length)
        throw new TrituneError('E_SHAPE', 'the pass is not the one that next() of the KV cache said')
      write(stores[0][layer], k, now)
      write(stores[1][layer], v, now)
      return {
        k: stores[0][layer].rowsView(0, now.end),
        v: stores[1][layer].rowsView(0, now.end),
        offsets: now.offsets,
      }
    },
    advance() {
      for (const row of pass?.taken ?? []) lengths[row]++
    },
    [Symbol.dispose]() {
      endPass()
      for (const store of stores) for (const layer of store) layer.dispose()
    },
  }
}

/** One token of some rows, on its way through the layers. */
interface Pass {
  readonly taken: readonly number[]
  /** Where each token is written. */
  readonly places: readonly number[]
  readonly index: Tensor // (tokens) i32: `places`
  readonly offsets: Tensor // (documents + 1) i32
  /** Behind the last row of the pass. */
  readonly end: number
}

function full(capacity: number, needed: number): TrituneError {
  return new TrituneError('E_SHAPE', `a row of the KV cache holds ${capacity} tokens, ${needed} are needed`, {
    remedy: 'ask for fewer new tokens',
  })
}
