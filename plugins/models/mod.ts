/**
 * Models: the families of README.md, from Hugging Face folders and GGUF files.
 *
 * @module
 */
import { definePlugin, type Plugin } from '../../core/mod.ts'
import { MODELS } from './built-in.ts'

export { rerunBlocks } from './decoder/blocks.ts'
export { createBatch, type BatchArrays } from './batch.ts'
export { MODELS } from './built-in.ts'
export { textOfGemma3 } from './families/_gemma3-text-config.ts'
export { type InitialOptions, openInitialSource } from './initial-weights.ts'
export {
  type HollowModelOptions,
  loadModel,
  type LoadModelOptions,
  modelDefinition,
  openHollowModel,
  readConfig,
} from './load.ts'
export { type MemorySourceOptions, openMemorySource } from './memory-source.ts'
export {
  countParameters,
  estimateModel,
  type ModelEstimate,
  type StepShape,
  type TrainedBytes,
  trainedBytes,
} from './model-size.ts'
export {
  createRopeTables,
  readRopeConfig,
  type RopeConfig,
  type RopeAngles,
  type RopeFrequencies,
  ropeFrequencies,
  type RopeScaling,
  type RopeTables,
} from './rope/mod.ts'
export { readStoredWeights, type StoredWeights } from './_stored.ts'
export { openGgufSource, openSafetensorsSource, type SourceOptions, storedDType } from './sources.ts'
export { TRITTER_PRESETS, type TritterPreset, tritterPreset } from './tritter-presets.ts'

/** The plugin that provides the built-in models, each by its `model_type`. */
export const models: Plugin & { readonly provides: { readonly model: typeof MODELS } } =
  /* @__PURE__ */ definePlugin({
    name: 'models',
    provides: { model: MODELS },
  })
