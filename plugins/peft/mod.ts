/**
 * Parameter-efficient fine-tuning: adapters on frozen models, in PEFT's files. See README.md.
 *
 * @module
 */
import { definePlugin, type Plugin } from '../../core/mod.ts'
import { METHODS } from './methods/methods.ts'

export { type AdapterFiles, type AdapterFormat, noAdapter, openAdapterFiles } from './files/adapter-files.ts'
export { attachAdapter, type AttachOptions, trainAllWeights } from './attach/attach.ts'
export {
  type AttachedAdapter,
  attachedAdapter,
  attachedAdapters,
  deleteAdapter,
  renameAdapter,
} from './attach/attached-adapter.ts'
export { attachLora, type LoraModelOptions } from './attach/attach-lora.ts'
export {
  addWeightedAdapter,
  COMBINE_METHODS,
  type CombineMethod,
  type CombineOptions,
  type MajoritySign,
  type VectorMethod,
} from './combine/mod.ts'
export { adalora, type AdaLoraAdapter, type AdaLoraOptions, createAdaLora } from './methods/adalora.ts'
export { boft, type BoftAdapter, type BoftOptions, createBoft } from './methods/boft.ts'
export { dora } from './methods/dora.ts'
export { type EvaBatch, type EvaOptions, type EvaReport, startByData } from './init/eva.ts'
export { createLora, lora } from './methods/lora.ts'
export type { LoraAdapter } from './lora/lora-factors.ts'
export { loraPlus, type LoraPlusOptions } from './lora/lora-plus.ts'
export type { LoftqOptions, LoraInit, LoraOptions } from './lora/lora-options.ts'
export { ia3, type Ia3Options } from './methods/ia3.ts'
export { loha, type LohaOptions } from './methods/loha.ts'
export { lokr, type LokrOptions } from './methods/lokr.ts'
export type { LycorisOptions } from './delta/lycoris-options.ts'
export { METHOD_NAMES, type MethodName } from './methods/methods.ts'
export { miss, type MissOptions } from './methods/miss.ts'
export { headCounts, loadGgufAdapter, type LoadGgufOptions } from './files/load-gguf.ts'
export { formConfig, mergedConfig, mergedSources, writtenSources } from './files/merge.ts'
export { type ConvertedAdapter, convertAdapter } from './files/convert-adapter.ts'
export {
  inspectAdapter,
  type InspectedAdapter,
  type InspectedModule,
  type InspectOptions,
} from './files/inspect-adapter.ts'
export { listAdapters, type ListedAdapter } from './files/list-adapters.ts'
export { type PeftTensors, saveMlxAdapter, type SaveMlxOptions } from './mlx/mod.ts'
export { createOft, oft, type OftAdapter, type OftOptions } from './methods/oft.ts'
export type { BesideOptions, TrainableTokens } from './beside/beside.ts'
export {
  adapterLabels,
  adapterVocabulary,
  type AdapterDefinitions,
  loadAdapter,
  type LoadAdapterOptions,
  readAdapterConfig,
} from './files/load.ts'
export { pTuning, type PTuningOptions } from './methods/p-tuning.ts'
export { prefix, type PrefixOptions } from './methods/prefix.ts'
export { prompt, type PromptOptions } from './methods/prompt.ts'
export { trainableTokens, type TrainableTokensOptions } from './attach/trainable-tokens.ts'
export type { VirtualTokenOptions } from './virtual/shape-options.ts'
export { type PluginRecord, readPluginRecords, RECORDS_FILE } from './attach/plugin-records.ts'
export { saveAdapter, type SaveAdapterOptions } from './files/save.ts'
export { type StoredTensors, storedTensors } from './files/stored.ts'
export {
  checkPatterns,
  DEFAULT_TARGETS,
  matchLayers,
  matchTargets,
  patternValue,
  type TargetMatch,
  type TargetOptions,
} from './attach/targets.ts'
export { vera, type VeraOptions } from './methods/vera.ts'

/** The plugin that provides the methods of PEFT as adapters. */
export const peft: Plugin & { readonly provides: { readonly adapter: typeof METHODS } } =
  /* @__PURE__ */ definePlugin({
    name: 'peft',
    provides: { adapter: METHODS },
  })
