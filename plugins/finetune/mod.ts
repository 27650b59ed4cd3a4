/**
 * Fine-tuning runs from one YAML file. See README.md.
 *
 * @module
 */
export {
  type FinetuneConfig,
  finetuneConfig,
  placeInConfig,
  readFinetuneConfig,
  type ReadFinetuneOptions,
  warmupSteps,
} from './config/config.ts'
export { atKey, atKeyAsync } from './config/at-key.ts'
export { besideOthers, withOtherFaults } from './early-checks.ts'
export {
  type EarlierRun,
  findEarlierRun,
  refuseEarlierRun,
  removeEarlierRun,
  runFilesIn,
  type WaysOn,
} from './checkpoints/earlier-run.ts'
export {
  type Preview,
  previewConfig,
  type PreviewExample,
  type PreviewOptions,
  type PreviewToken,
} from './preview.ts'
export type { Accounted, Fate } from './convert/account.ts'
export {
  CONVERTED_TOOLS,
  convertConfig,
  type ConvertConfigOptions,
  type ConvertedConfig,
  type ConvertedTool,
} from './convert/convert-config.ts'
export { type ConfigEstimate, estimateConfig, type EstimateConfigOptions } from './estimate-config.ts'
export { type RehearsedDevice, rehearseRun, type RehearseOptions } from './memory/rehearse.ts'
export { type Estimate, estimateMemory, estimateRun } from './memory/estimate.ts'
export type { MemoryParts, Rehearsal } from './memory/memory-parts.ts'
export { type CheckedRun, checkRun, type CheckRunOptions } from './check-run.ts'
export { countActiveWeights } from './model/active-weights.ts'
export { calibrationTexts, type CalibrationTextsOptions, calibrationType } from './model/calibration-texts.ts'
export { modulePaths } from './model/module-paths.ts'
export { countWeights } from './model/count-weights.ts'
export { writtenContextLength } from './model/context-length.ts'
export { evaluateLoss, type Evaluation, type EvaluationContext } from './training/evaluate.ts'
export { loadGptq, type LoadGptqOptions } from './model/load-gptq.ts'
export type { PreferenceInput } from './config/preference-input.ts'
export { exampleKind } from './training/parts.ts'
export { objectiveBatch } from './training/objective-batch.ts'
export { crossEntropy } from './training/cross-entropy.ts'
export { createMetricsFile } from './reports/metrics-file.ts'
export { training } from './training/built-in.ts'
export { checkMetricNames } from './reports/metric-names.ts'
export type { Run } from './run.ts'
export { builtInPlugins } from './plugins/built-in-plugins.ts'
export { type LoadedPlugin, loadPlugins, type LoadPluginsOptions, originsOf } from './plugins/load-plugins.ts'
export { modulesToLoad, type Made } from './plugins/modules-to-load.ts'
export { finetune, type FinetuneRunOptions } from './finetune.ts'
export type { FinetuneInput } from './config/finetune-input.ts'
export type { LrGroup, LrScheduler, LrSchedulerOptions, SpecialTokens } from './config/finetune-options.ts'
export { fitLine, formatBytes, formatCount, formatDuration } from './reports/format.ts'
export { schemaOfFinetune } from './config/json-schema.ts'
export { DATASET_KEYS as DATASET_KEY_FACTS } from './config/keys/dataset-entry.ts'
export { IGNORED_PLUGINS } from './config/keys/python-plugins.ts'
export { KEY_GROUPS, RENAMED_KEYS } from './config/keys/axolotl-keys.ts'
export { datasetKeyEffect, type KeyEffect, keyEffect } from './config/keys/key-effect.ts'
export type { IgnoredKey, KeyFacts, UnsupportedKey } from './config/keys/key-fact.ts'
export { KEY_DOCS, plainDoc } from './config/key-docs.ts'
export type { Named, NamedInput, OpenName } from './config/named.ts'
export { findNonFinite } from './training/nonfinite.ts'
export { checkOutputDir, lockOutputDir } from './checkpoints/output-dir.ts'
export type { OptimizerName } from './config/optimizer-names.ts'
export { createPlan, type Plan } from './training/plan.ts'
export { prepareRun } from './prepare.ts'
export type { PrepareOptions } from './run-inputs.ts'
export { createProgress, type ProgressOptions } from './reports/progress.ts'
export { runPresets } from './config/run-yaml.ts'
export { factsOfRun, readRunFacts } from './output/run-facts.ts'
export { openTokenizer, type RunTokenizer } from './model/run-tokenizer.ts'
export { hasTokenizer, saveTokenizer, type TokenizerChanges } from './output/save-tokenizer.ts'
export { saveModel, type SaveModelOptions, saveOutput } from './output/save-output.ts'
export { saveQuantized, type SaveQuantizedOptions } from './output/save-quantized.ts'
export { createSummary, summarize } from './reports/summary.ts'
export type { Resume } from './checkpoints/run-progress.ts'
export { train, type TrainOptions } from './training/train.ts'
export { stepParts, type TrainContext, type TrainStep, trainStep } from './training/train-step.ts'
export { listCheckpoints } from '../../core/files/checkpoint-folders.ts'
export { settingsOf } from './checkpoints/run-settings.ts'
export type { TrainingState } from './checkpoints/training-state.ts'
