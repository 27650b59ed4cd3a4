/**
 * Keys and values of many documents, for generation in batches.
 *
 * Each layer has one tensor of keys and one of values; a row is a stretch of it that grows with its document. Attention reads it in place: what stands
 * between the rows of a pass is a document without queries. Kernels that follow lists of pages would save the copies when a row moves; rows get a quarter more
 * room than they need, so that moves are rare (tests/plugins/models/row-room.test.ts counts them).
 */
import {
  addTo,
  clear,
  embeddingBackward,
  type KvRows,
  noGrad,
  reshape,
  type RowPart,
  run,
  tensor,
  type Tensor,
  tensorScope,
  TrituneError,
  zeros,
} from '../../core/mod.ts'
import { owned } from './_owned.ts'
import { createRowRoom, type RowMoves } from './_row-room.ts'
import type { CacheShape, DocumentCache, LayerCache } from './layer-cache.ts'

/** The rows as the model code uses them. */
export interface RowsCache extends KvRows, LayerCache {}

export function createRows(rows: number, capacity: number, shape: CacheShape): RowsCache {
  const { layers, kvHeads, headDim, dtype, device } = shape
  const lengths = new Int32Array(rows)
  const room = createRowRoom(capacity)
  const tokenBytes = 2 * layers * kvHeads * headDim * (dtype === 'f32' ? 4 : 2)
  /** Keys, then values; null: no row has anything. */
  let stores: readonly [Tensor[], Tensor[]] | null = null
  let pass: Pass | null = null

  const made = (size: number): Tensor => owned(zeros([size, kvHeads, headDim], { dtype, device }))
  const make = (size: number): Tensor[] => Array.from({ length: layers }, () => made(size))
  const expectRow = (row: number): void => {
    if (!Number.isInteger(row) || row < 0 || row >= rows)
      throw new TrituneError('E_SHAPE', `row ${row} is not one of the ${rows} rows of the KV cache`)
  }
  const expectEmpty = (row: number): void => {
    expectRow(row)
    if (lengths[row] > 0) throw new TrituneError('E_SHAPE', `row ${row} of the KV cache is taken`)
  }
  const endPass = (): void => {
    pass?.index.dispose()
    pass?.offsets.dispose()
    pass = null
  }
  /** What a row holds, of a layer. */
  const held = (layer: Tensor, row: number): Tensor => layer.rowsView(room.spanOf(row).start, lengths[row])

  const move = (moves: RowMoves | null): void => {
    if (moves === null) {
      stores ??= room.size > 0 ? [make(room.size), make(room.size)] : null
      return
    }
    const { size, isNew } = moves
    const copied = moves.rows.filter(({ row }) => lengths[row] > 0)
    const before = stores
    if (before === null || copied.length === 0) {
      // Nothing is held yet.
      if (isNew) {
        drop()
        stores = size > 0 ? [make(size), make(size)] : null
      }
      return
    }
    noGrad(() => {
      using _scope = tensorScope()
      for (const store of before)
        for (const [i, old] of store.entries()) {
          const target = isNew ? made(size) : old
          for (const { row, from, to } of copied) {
            const source = old.rowsView(from, lengths[row])
            addTo(target.rowsView(to, lengths[row]), source)
            if (!isNew) clear(source)
          }
          if (!isNew) continue
          store[i] = target
          old.dispose()
        }
    })
  }
  const reserve = (row: number, tokens: number): void => {
    if (tokens > capacity) throw full(capacity, tokens)
    move(room.reserve(row, tokens))
  }
  const drop = (): void => {
    for (const store of stores ?? []) for (const layer of store) layer.dispose()
    stores = null
  }
  /** The rows are zero where nothing was written, so adding is writing. */
  const write = (store: Tensor, tokens: Tensor, { index, parts }: Pass): void => {
    if (dtype === 'f32' && parts.length > 1) {
      const { size } = room
      const flat = reshape(store, [size, kvHeads * headDim])
      const dy = reshape(tokens, [tokens.shape[0], kvHeads * headDim])
      run(embeddingBackward, { dy, ids: index }, { rows: size }, { dtable: flat })
      return
    }
    let at = 0
    for (const { place, count } of parts) {
      using target = store.rowsView(place, count)
      using own = tokens.rowsView(at, count)
      addTo(target, own)
      at += count
    }
  }
  return {
    capacity,
    rows,
    tokenBytes,
    get bytes() {
      return room.size * tokenBytes
    },
    get length() {
      return lengths.reduce((most, length) => Math.max(most, length), 0)
    },
    lengthOf: (row) => lengths[row],
    begin(taken, from) {
      const { length, held: heldBy } = from as DocumentCache
      for (const row of taken) expectEmpty(row)
      for (const row of taken) reserve(row, length)
      noGrad(() => {
        using _scope = tensorScope()
        for (let layer = 0; layer < layers; layer++) {
          const { k, v } = heldBy(layer)
          for (const row of taken)
            for (const [store, part] of [
              [stores?.[0][layer], k],
              [stores?.[1][layer], v],
            ] as const)
              if (store) addTo(store.rowsView(room.spanOf(row).start, length), part)
        }
      })
      for (const row of taken) lengths[row] = length
    },
    copy(row, from, length) {
      expectEmpty(row)
      expectRow(from)
      if (length > lengths[from])
        throw new TrituneError(
          'E_SHAPE',
          `row ${from} of the KV cache holds ${lengths[from]} positions, not ${length}`,
        )
      reserve(row, length)
      noGrad(() => {
        using _scope = tensorScope()
        for (const store of stores ?? [])
          for (const layer of store)
            addTo(
              layer.rowsView(room.spanOf(row).start, length),
              layer.rowsView(room.spanOf(from).start, length),
            )
      })
      lengths[row] = length
    },
    free(row) {
      expectRow(row)
      for (const store of stores ?? [])
        for (const layer of store) {
          using view = held(layer, row)
          clear(view)
        }
      lengths[row] = 0
      const moves = room.release(row)
      if (moves) move(moves)
    },
    next(asked) {
      endPass()
      for (const [i, { row, tokens }] of asked.entries()) {
        expectRow(row)
        if (asked.findIndex((other) => other.row === row) < i)
          throw new TrituneError('E_SHAPE', `row ${row} of the KV cache is twice in a pass`)
        if (lengths[row] + tokens > capacity) throw full(capacity, lengths[row] + tokens)
      }
      for (const { row, tokens } of asked) reserve(row, lengths[row] + tokens)
      const order = asked.toSorted((a, b) => room.spanOf(a.row).start - room.spanOf(b.row).start)
      const layout = layOut(order, (row) => ({ start: room.spanOf(row).start, length: lengths[row] }))
      const options = { dtype: 'i32', device } as const
      pass = {
        ...layout,
        index: owned(tensor(layout.places, options)),
        offsets: owned(tensor(layout.keyOffsets, options)),
      }
      return {
        rows: order.map(({ row }) => row),
        positions: Int32Array.from(layout.positions),
        offsets: Int32Array.from(layout.queryOffsets),
      }
    },
    extend(layer, k, v) {
      const now = pass
      if (now === null || stores === null || k.shape[0] !== now.places.length)
        throw new TrituneError('E_SHAPE', 'the pass is not the one that next() of the KV cache said')
      const [keys, values] = [stores[0][layer], stores[1][layer]]
      write(keys, k, now)
      write(values, v, now)
      return {
        k: keys.rowsView(now.first, now.end - now.first),
        v: values.rowsView(now.first, now.end - now.first),
        offsets: now.offsets,
      }
    },
    advance() {
      for (const { row, count } of pass?.parts ?? []) lengths[row] += count
    },
    [Symbol.dispose]() {
      endPass()
      drop()
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Where the tokens of a pass stand. */
interface Layout {
  readonly parts: readonly { readonly row: number; readonly place: number; readonly count: number }[]
  /** Where each token is written. */
  readonly places: readonly number[]
  readonly positions: readonly number[]
  readonly queryOffsets: readonly number[]
  /** From `first` on. */
  readonly keyOffsets: readonly number[]
  /** The tokens that attention reads. */
  readonly first: number
  readonly end: number
}

/** Some tokens of some rows, on their way through the layers. */
interface Pass extends Layout {
  readonly index: Tensor // (tokens) i32: `places`
  readonly offsets: Tensor // (documents + 1) i32
}

/** `order`: by where the rows stand. */
function layOut(
  order: readonly RowPart[],
  placeOf: (row: number) => { readonly start: number; readonly length: number },
): Layout {
  const first = order.length === 0 ? 0 : placeOf(order[0].row).start
  const parts: Layout['parts'][number][] = []
  const places: number[] = []
  const positions: number[] = []
  const queryOffsets = [0]
  const keyOffsets = [0]
  for (const { row, tokens } of order) {
    const { start, length } = placeOf(row)
    parts.push({ row, place: start + length, count: tokens })
    // The room before the row, then the row with its new tokens.
    queryOffsets.push(places.length, places.length + tokens)
    keyOffsets.push(start - first, start - first + length + tokens)
    for (let i = 0; i < tokens; i++) {
      places.push(start + length + i)
      positions.push(length + i)
    }
  }
  return {
    parts,
    places,
    positions,
    queryOffsets,
    keyOffsets,
    first,
    end: first + keyOffsets[keyOffsets.length - 1],
  }
}

function full(capacity: number, needed: number): TrituneError {
  return new TrituneError('E_SHAPE', `a row of the KV cache holds ${capacity} tokens, ${needed} are needed`, {
    remedy: 'ask for fewer new tokens',
  })
}
