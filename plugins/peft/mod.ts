/**
 * Parameter-efficient fine-tuning: adapters on frozen models, in PEFT's files. See README.md.
 *
 * @module
 */
import { definePlugin, type Plugin } from '../../core/mod.ts'
import { METHODS } from './methods.ts'

export { type AdapterFiles, type AdapterFormat, noAdapter, openAdapterFiles } from './adapter-files.ts'
export { attachAdapter, type AttachOptions, trainAllWeights } from './attach.ts'
export {
  type AttachedAdapter,
  attachedAdapter,
  attachedAdapters,
  deleteAdapter,
  renameAdapter,
} from './attached-adapter.ts'
export { attachLora, type LoraModelOptions } from './attach-lora.ts'
export {
  addWeightedAdapter,
  COMBINE_METHODS,
  type CombineMethod,
  type CombineOptions,
  type MajoritySign,
  type VectorMethod,
} from './combine/mod.ts'
export { adalora, type AdaLoraAdapter, type AdaLoraOptions, createAdaLora } from './adalora.ts'
export { boft, type BoftAdapter, type BoftOptions, createBoft } from './boft.ts'
export { dora } from './dora.ts'
export { type EvaBatch, type EvaOptions, type EvaReport, startByData } from './init/eva.ts'
export { createLora, lora } from './lora.ts'
export type { LoraAdapter } from './lora-factors.ts'
export { loraPlus, type LoraPlusOptions } from './lora-plus.ts'
export type { LoftqOptions, LoraInit, LoraOptions } from './lora-options.ts'
export { ia3, type Ia3Options } from './ia3.ts'
export { loha, type LohaOptions } from './loha.ts'
export { lokr, type LokrOptions } from './lokr.ts'
export type { LycorisOptions } from './delta/lycoris-options.ts'
export { METHOD_NAMES, type MethodName } from './methods.ts'
export { miss, type MissOptions } from './miss.ts'
export { headCounts, loadGgufAdapter, type LoadGgufOptions } from './load-gguf.ts'
export { formConfig, mergedConfig, mergedSources, writtenSources } from './merge.ts'
export { type ConvertedAdapter, convertAdapter } from './convert-adapter.ts'
export {
  inspectAdapter,
  type InspectedAdapter,
  type InspectedModule,
  type InspectOptions,
} from './inspect-adapter.ts'
export { listAdapters, type ListedAdapter } from './list-adapters.ts'
export { type PeftTensors, saveMlxAdapter, type SaveMlxOptions } from './mlx/mod.ts'
export { createOft, oft, type OftAdapter, type OftOptions } from './oft.ts'
export type { BesideOptions, TrainableTokens } from './beside/beside.ts'
export {
  adapterLabels,
  adapterVocabulary,
  type AdapterDefinitions,
  loadAdapter,
  type LoadAdapterOptions,
  readAdapterConfig,
} from './load.ts'
export { pTuning, type PTuningOptions } from './p-tuning.ts'
export { prefix, type PrefixOptions } from './prefix.ts'
export { prompt, type PromptOptions } from './prompt.ts'
export { trainableTokens, type TrainableTokensOptions } from './trainable-tokens.ts'
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
