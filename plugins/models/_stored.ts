/**
 * Checkpoints that hold packed weights, whoever wrote them: those of plugins/qlora and of plugins/bitnet.
 */
import { type QuantizedWeight, type Shape, type Tensor } from '../../core/mod.ts'
import { readBitnetWeight, readStoredBitnet, type StoredBitnet } from '../bitnet/mod.ts'
import {
  type PackedFile,
  type PackedWeightOptions,
  readPackedWeight,
  readStoredQuantization,
  type StoredQuantization,
} from '../qlora/mod.ts'

/** How the linear weights of a checkpoint are stored. */
export type StoredWeights = StoredQuantization | StoredBitnet

/** What `quantization_config` of config.json says; null: the weights are plain. Throws as the two readers do. */
export function readStoredWeights(
  config: Readonly<Record<string, unknown>>,
  place: string,
): StoredWeights | null {
  return readStoredBitnet(config, place) ?? readStoredQuantization(config, place)
}

/** For `WeightSource.packed`. */
export function readStoredWeight(
  file: PackedFile,
  stored: StoredWeights,
  name: string,
  shape: Shape,
  options: PackedWeightOptions,
): QuantizedWeight | Tensor | null {
  return stored.method === 'bitnet'
    ? readBitnetWeight(file, stored, name, shape, options)
    : readPackedWeight(file, stored, name, shape, options)
}
