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
} from './config.ts'
export { atKey, atKeyAsync } from './at-key.ts'
export { besideOthers, withOtherFaults } from './early-checks.ts'
export {
  type EarlierRun,
  findEarlierRun,
  refuseEarlierRun,
  removeEarlierRun,
  type WaysOn,
} from './earlier-run.ts'
export { type Estimate, estimateMemory, estimateRun, type MemoryParts } from './estimate.ts'
export { type CheckedRun, checkRun, type CheckRunOptions } from './check-run.ts'
export { countWeights } from './count-weights.ts'
export { writtenContextLength } from './context-length.ts'
export { evaluateLoss, type EvaluationContext } from './evaluate.ts'
export { crossEntropy } from './cross-entropy.ts'
export { createMetricsFile } from './metrics-file.ts'
export { training } from './built-in.ts'
export { checkMetricNames } from './metric-names.ts'
export type { Run } from './run.ts'
export { type LoadedPlugin, loadPlugins, type LoadPluginsOptions, originsOf } from './load-plugins.ts'
export { modulesToLoad, type Made } from './modules-to-load.ts'
export { finetune, type FinetuneRunOptions } from './finetune.ts'
export type { FinetuneInput } from './finetune-input.ts'
export type { LrGroup, LrScheduler, LrSchedulerOptions, SpecialTokens } from './finetune-options.ts'
export { fitLine, formatBytes, formatCount, formatDuration } from './format.ts'
export { schemaOfFinetune } from './json-schema.ts'
export { KEY_DOCS, plainDoc } from './key-docs.ts'
export type { Named, NamedInput, OpenName } from './named.ts'
export { findNonFinite } from './nonfinite.ts'
export { checkOutputDir, lockOutputDir } from './output-dir.ts'
export type { OptimizerName } from './optimizer-names.ts'
export { createPlan, type Plan } from './plan.ts'
export { prepareRun } from './prepare.ts'
export type { PrepareOptions } from './run-inputs.ts'
export { createProgress, type ProgressOptions } from './progress.ts'
export { factsOfRun, readRunFacts } from './run-facts.ts'
export { openTokenizer, type RunTokenizer } from './run-tokenizer.ts'
export { hasTokenizer, saveTokenizer, type TokenizerChanges } from './save-tokenizer.ts'
export { saveModel, type SaveModelOptions, saveOutput } from './save-output.ts'
export { saveQuantized, type SaveQuantizedOptions } from './save-quantized.ts'
export { createSummary, summarize } from './summary.ts'
export type { Resume } from './run-progress.ts'
export { train, type TrainOptions } from './train.ts'
export { stepParts, type TrainContext, type TrainStep, trainStep } from './train-step.ts'
export { listCheckpoints } from './checkpoints.ts'
export { settingsOf } from './run-settings.ts'
export type { TrainingState } from './training-state.ts'
