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

/** What `quantization_config` of config.json says, or `use_bitnet` of a tritter; null: the weights are plain. Throws as the two readers do. */
export function readStoredWeights(
  config: Readonly<Record<string, unknown>>,
  place: string,
): StoredWeights | null {
  return (
    readStoredBitnet(config, place) ??
    readStoredQuantization(config, place) ??
    (config.use_bitnet === true ? TRAINED_BITNET : null)
  )
}

/** Weights that are trained, each linear layer of the blocks a BitLinear. */
const TRAINED_BITNET: StoredBitnet = {
  method: 'bitnet',
  linearClass: 'autobitlinear',
  mode: 'online',
  subNorm: false,
  eps: 1e-6,
  skip: null,
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
