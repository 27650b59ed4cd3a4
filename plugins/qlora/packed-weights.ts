/**
 * The packed weights of a checkpoint, by name: as they are where ops multiply by that form (bitsandbytes), else as numbers (GPTQ, AWQ, MXFP4).
 */
import {
  cast,
  type Device,
  type FloatDType,
  noGrad,
  type QuantizedWeight,
  type Shape,
  tensor,
  type Tensor,
} from '../../core/mod.ts'
import type { PackedFile } from './packed-file.ts'
import { readBitsandbytes } from './read-bitsandbytes.ts'
import { readGrouped } from './read-grouped.ts'
import { readMxfp4 } from './read-mxfp4.ts'
import type { StoredQuantization } from './stored-quantization.ts'

/** What numbers become that do not stay packed. */
export interface PackedWeightOptions {
  readonly device: Device
  readonly dtype: FloatDType
}

/**
 * For `WeightSource.packed`: the weight `name` (out, in); null where it is stored plain. E_FORMAT for parts that are missing or do not
 * belong together, E_UNSUPPORTED for layouts that no op has.
 */
export function readPackedWeight(
  file: PackedFile,
  stored: StoredQuantization,
  name: string,
  shape: Shape,
  { device, dtype }: PackedWeightOptions,
): QuantizedWeight | Tensor | null {
  if (stored.method === 'bitsandbytes') return readBitsandbytes(file, name, shape, stored.threshold)
  const values =
    stored.method === 'mxfp4' ? readMxfp4(file, name, shape) : readGrouped(file, name, shape, stored)
  if (values === null) return null
  const wide = tensor(values, { shape, dtype: 'f32', device })
  if (dtype === 'f32') return wide
  try {
    return noGrad(() => cast(wide, dtype))
  } finally {
    wide.dispose()
  }
}
