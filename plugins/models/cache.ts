/**
 * Keys and values of past tokens of one document, for generation.
 */
import {
  addTo,
  type KeyValuePrefix,
  noGrad,
  tensor,
  type Tensor,
  tensorScope,
  TrituneError,
  zeros,
} from '../../core/mod.ts'
import { owned } from './_owned.ts'
import { createRows } from './cache-rows.ts'
import type { CacheShape, DocumentCache } from './layer-cache.ts'

/** `prefix` gives what stands in each layer before the first token. */
export function createCache(
  capacity: number,
  cacheShape: CacheShape,
  prefix: (layer: number) => KeyValuePrefix | null = () => null,
): DocumentCache {
  const { layers, kvHeads, headDim, dtype, device } = cacheShape
  const shape = [capacity, kvHeads, headDim]
  const make = (): Tensor[] => Array.from({ length: layers }, () => owned(zeros(shape, { dtype, device })))
  let keys = make()
  let values = make()
  let length = 0
  const append = (all: Tensor, rows: Tensor): Tensor => {
    const tokens = rows.shape[0]
    if (length + tokens > capacity) {
      throw new TrituneError(
        'E_SHAPE',
        `the KV cache holds ${capacity} tokens, ${length + tokens} are needed`,
        { remedy: 'ask for fewer new tokens' },
      )
    }
    // The rows are zero, so adding is writing.
    using target = all.rowsView(length, tokens)
    addTo(target, rows)
    return all.rowsView(0, length + tokens)
  }
  // The layers of one pass ask for the same ones: they are uploaded once.
  let offsets = owned(tensor([0, 0], { dtype: 'i32', device }))
  let offsetsEnd = 0
  const offsetsTo = (end: number): Tensor => {
    if (end !== offsetsEnd) {
      offsets.dispose()
      offsets = owned(tensor([0, end], { dtype: 'i32', device }))
      offsetsEnd = end
    }
    return offsets
  }
  const free = (): void => {
    for (const t of [...keys, ...values]) t.dispose()
  }
  const begin = (): void =>
    noGrad(() => {
      using _scope = tensorScope()
      let tokens = 0
      for (let layer = 0; layer < layers; layer++) {
        const before = prefix(layer)
        if (!before) continue
        append(keys[layer], before.k)
        append(values[layer], before.v)
        tokens = before.k.shape[0]
      }
      length = tokens
    })
  begin()
  return {
    capacity,
    get length() {
      return length
    },
    extend(layer, k, v) {
      const total = length + k.shape[0]
      return {
        k: append(keys[layer], k),
        v: append(values[layer], v),
        offsets: offsetsTo(total),
      }
    },
    advance(tokens) {
      length += tokens
    },
    held: (layer) => ({ k: keys[layer].rowsView(0, length), v: values[layer].rowsView(0, length) }),
    openRows: (rows, room) => createRows(rows, room, cacheShape),
    clear() {
      free()
      keys = make()
      values = make()
      length = 0
      begin()
    },
    [Symbol.dispose]() {
      free()
      offsets.dispose()
    },
  }
}
