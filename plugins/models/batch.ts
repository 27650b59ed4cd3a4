/**
 * Plain token arrays → the tensors that a model takes.
 */
import { defaultDevice, type Device, tensor, type TokenBatch } from '../../core/mod.ts'

/** The tokens of one batch, as plain arrays: documents one after the other. */
export interface BatchArrays {
  readonly ids: ArrayLike<number>
  /** Document starts, ending with the number of tokens; default: one document. */
  readonly offsets?: ArrayLike<number>
  /** Default: from 0 in each document. */
  readonly positions?: ArrayLike<number>
}

/**
 * Three i32 tensors on the device, owned by the current scope.
 *
 * @example
 * ```ts
 * import { tensorScope } from 'tritune/core'
 * import { createBatch } from 'tritune/plugins/models'
 *
 * using _scope = tensorScope()
 * const batch = createBatch({ ids: [1, 2, 3, 4, 5], offsets: [0, 2, 5] }) // two documents
 * console.log([...batch.positions.toArray()]) // → [ 0, 1, 0, 1, 2 ]
 * ```
 */
export function createBatch(
  { ids, offsets = [0, ids.length], positions }: BatchArrays,
  device: Device = defaultDevice(),
): TokenBatch {
  const places = positions ?? positionsIn(offsets, ids.length)
  const options = { dtype: 'i32', device } as const
  let positionCount = 0
  for (let i = 0; i < places.length; i++) positionCount = Math.max(positionCount, places[i] + 1)
  return {
    ids: tensor(ids, options),
    positions: tensor(places, options),
    offsets: tensor(offsets, options),
    positionCount,
    host: { positions: places, offsets, ids },
  }
}

function positionsIn(offsets: ArrayLike<number>, tokens: number): Int32Array {
  const positions = new Int32Array(tokens)
  for (let d = 0; d + 1 < offsets.length; d++)
    for (let i = offsets[d]; i < offsets[d + 1]; i++) positions[i] = i - offsets[d]
  return positions
}
