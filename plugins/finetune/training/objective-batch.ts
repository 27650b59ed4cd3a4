/**
 * A micro-batch as an objective is given it, on the device of the model.
 */
import { type Device, type ObjectiveBatch, tensor } from '../../../core/mod.ts'
import type { Batch } from '../../data/mod.ts'
import { createBatch } from '../../models/mod.ts'

/** The tensors belong to the scope that is open. */
export function objectiveBatch(batch: Batch, device: Device): ObjectiveBatch {
  const { targets, trainedTokens, examples } = batch
  return {
    tokens: createBatch(batch, device),
    targets: tensor(targets, { dtype: 'i32', device }),
    trainedTokens,
    examples,
  }
}
