/**
 * embedding: rows of a table by index; its gradient adds rows up.
 */
import { TrituneError } from '../errors.ts'
import { expectInteger } from '../tensor/expect.ts'
import { defineOp, expectDType, type Op, type ReferenceArray, run } from '../tensor/op.ts'
import { expectShape } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'

/** Inputs of the op `embedding`: a table of V rows, and the row for each token. */
export type EmbeddingInputs = {
  readonly table: Tensor // (V, C)
  readonly ids: Tensor // (T) i32
}

/** The op `embedding`: y[i] = table[ids[i]], (T, C) in the dtype of the table. Use `embedding()`. */
export const embeddingForward: Op<EmbeddingInputs, null, { readonly y: Tensor }> = defineOp({
  name: 'embedding',
  outputs({ table, ids }) {
    const [rows, channels] = table.shape
    expectDType('embedding', 'table', table, ['f32', 'bf16'])
    expectDType('embedding', 'ids', ids, ['i32'])
    expectShape('embedding table', table.shape, [rows, channels])
    expectShape('embedding ids', ids.shape, [ids.size])
    return { y: { shape: [ids.size, channels], dtype: table.dtype } }
  },
  reference({ inputs: { table, ids }, outputs: { y } }) {
    const channels = table.shape[1]
    for (let i = 0; i < ids.data.length; i++) {
      const row = rowAt(ids, i, table.shape[0])
      y.data.set(table.data.subarray(row * channels, (row + 1) * channels), i * channels)
    }
  },
  saves: ['ids'],
  gradient({ saved: { ids }, grads: { y: dy }, accumulator }) {
    const dtable = accumulator('table')
    if (dy && dtable) run(embeddingBackward, { dy, ids }, { rows: dtable.shape[0] }, { dtable })
    return { table: dtable }
  },
})

/** The op `embedding_backward`: dtable[ids[i]] += dy[i], (V, C) f32. */
export const embeddingBackward: Op<
  { readonly dy: Tensor; readonly ids: Tensor },
  { readonly rows: number },
  { readonly dtable: Tensor }
> = defineOp({
  name: 'embedding_backward',
  outputs({ dy, ids }, { rows }) {
    expectDType('embedding_backward', 'dy', dy, ['f32', 'bf16'])
    expectDType('embedding_backward', 'ids', ids, ['i32'])
    expectShape('embedding_backward ids', ids.shape, [ids.size])
    expectShape('embedding_backward dy', dy.shape, [ids.size, dy.shape[1]])
    expectInteger('embedding_backward', 'rows', rows)
    return { dtable: { shape: [rows, dy.shape[1]], dtype: 'f32' } }
  },
  accumulates: ['dtable'],
  reference({ inputs: { dy, ids }, outputs: { dtable } }) {
    const channels = dy.shape[1]
    for (let i = 0; i < ids.data.length; i++) {
      const row = rowAt(ids, i, dtable.shape[0])
      for (let c = 0; c < channels; c++) dtable.data[row * channels + c] += dy.data[i * channels + c]
    }
  },
})

/**
 * table (V, C), ids (T) i32 → (T, C). The gradient of the table is f32.
 *
 * @example
 * ```ts
 * import { embedding, tensor, tensorScope } from 'tritune/core'
 *
 * using _scope = tensorScope()
 * const table = tensor([0, 0, 1, 1, 2, 2], { shape: [3, 2] })
 * console.log([...embedding(table, tensor([2, 0], { dtype: 'i32' })).toArray()]) // → [ 2, 2, 0, 0 ]
 * ```
 */
export function embedding(table: Tensor, ids: Tensor): Tensor {
  return run(embeddingForward, { table, ids }, null).y
}

function rowAt(ids: ReferenceArray, index: number, rows: number): number {
  const row = ids.data[index]
  if (row < 0 || row >= rows)
    throw new TrituneError('E_SHAPE', `embedding: id ${row} at ${index} is not in a table of ${rows} rows`)
  return row
}
