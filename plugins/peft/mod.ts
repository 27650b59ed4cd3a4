/**
 * Parameter-efficient fine-tuning: adapters on frozen models, in PEFT's files. See README.md.
 *
 * @module
 */
import { definePlugin, type Plugin } from '../../core/mod.ts'
import { METHODS } from './methods.ts'

export { attachAdapter, type AttachedAdapter, type AttachOptions, trainAllWeights } from './attach.ts'
export { attachLora, type LoraModelOptions } from './attach-lora.ts'
export { adalora, type AdaLoraAdapter, type AdaLoraOptions, createAdaLora } from './adalora.ts'
export { boft, type BoftAdapter, type BoftOptions, createBoft } from './boft.ts'
export { dora } from './dora.ts'
export { createLora, lora } from './lora.ts'
export type { LoraAdapter } from './lora-factors.ts'
export type { LoftqOptions, LoraInit, LoraOptions } from './lora-options.ts'
export { ia3, type Ia3Options } from './ia3.ts'
export { loha, type LohaOptions } from './loha.ts'
export { lokr, type LokrOptions } from './lokr.ts'
export type { LycorisOptions } from './delta/lycoris-options.ts'
export { METHOD_NAMES, type MethodName } from './methods.ts'
export { miss, type MissOptions } from './miss.ts'
export { headCounts, loadGgufAdapter, type LoadGgufOptions } from './load-gguf.ts'
export { mergedConfig, mergedSources } from './merge.ts'
export { createOft, oft, type OftAdapter, type OftOptions } from './oft.ts'
export type { BesideOptions, TrainableTokens } from './beside/beside.ts'
export {
  adapterVocabulary,
  type AdapterDefinitions,
  loadAdapter,
  type LoadAdapterOptions,
  readAdapterConfig,
} from './load.ts'
export { pTuning, type PTuningOptions } from './p-tuning.ts'
export { prefix, type PrefixOptions } from './prefix.ts'
export { prompt, type PromptOptions } from './prompt.ts'
export type { VirtualTokenOptions } from './virtual/shape-options.ts'
export { type PluginRecord, readPluginRecords, RECORDS_FILE } from './plugin-records.ts'
export { saveAdapter, type SaveAdapterOptions } from './save.ts'
export { type StoredTensors, storedTensors } from './stored.ts'
export {
  checkPatterns,
  DEFAULT_TARGETS,
  matchLayers,
  matchTargets,
  patternValue,
  type TargetMatch,
  type TargetOptions,
} from './targets.ts'
export { vera, type VeraOptions } from './vera.ts'

/** The plugin that provides the methods of PEFT as adapters. */
export const peft: Plugin & { readonly provides: { readonly adapter: typeof METHODS } } =
  /* @__PURE__ */ definePlugin({
    name: 'peft',
    provides: { adapter: METHODS },
  })
