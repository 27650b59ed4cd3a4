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
export { type EarlierRun, findEarlierRun, refuseEarlierRun, removeEarlierRun } from './earlier-run.ts'
export { type Estimate, estimateMemory, estimateRun, type MemoryParts } from './estimate.ts'
export type { RunEvent, RunResult, StepReport } from './events.ts'
export { loadPlugins, type LoadPluginsOptions } from './load-plugins.ts'
export { fitLine, formatBytes, formatCount, formatDuration } from './format.ts'
export { findNonFinite } from './nonfinite.ts'
export { lockOutputDir } from './output-dir.ts'
export { createPlan, type Plan } from './plan.ts'
export { prepareRun, type PrepareOptions, type Run } from './prepare.ts'
export { createProgress, type ProgressOptions } from './progress.ts'
export { openTokenizer, type RunTokenizer } from './run-tokenizer.ts'
export { saveModel, saveOutput } from './save-output.ts'
export { summarize } from './summary.ts'
export { type Resume, train, type TrainOptions } from './train.ts'
export { evaluateLoss, type TrainContext, type TrainStep, trainStep } from './train-step.ts'
export { listCheckpoints, settingsOf, type TrainingState } from './training-state.ts'
