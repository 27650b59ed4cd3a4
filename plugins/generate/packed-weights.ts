/**
 * Weights that are packed while a model is loaded, for reading alone: less memory, and more tokens a second.
 */
import type { FloatDType } from '../../core/mod.ts'
import type { LoadModelOptions } from '../models/mod.ts'
import { int8, nf4, openQuantizer, packLayers } from '../qlora/mod.ts'

/** How the linear layers and the head are packed: in 8 or in 4 bits. */
export type PackedKind = 'int8' | 'nf4'

/**
 * Options of `loadModel()`: every weight by rows or blocks; of int8 no column of x is left unrounded, which a pass of few rows would pay
 * for. Without a kind weights are as they are stored.
 */
export function packedWeights(
  kind: PackedKind | undefined,
  dtype: FloatDType = 'f32',
): Pick<LoadModelOptions, 'pack' | 'packHead'> {
  if (kind === undefined) return {}
  const quantizer =
    kind === 'int8' ? openQuantizer(int8, { threshold: 0 }) : openQuantizer(nf4, { double_quant: false })
  const pack = packLayers(quantizer, dtype)
  return { pack, packHead: pack }
}
