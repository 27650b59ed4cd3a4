/**
 * A learning rate found by short annealed branches. See README.md.
 *
 * @module
 */
export { betaOfBatch, betaOfHalfLife } from './batch-beta.ts'
export { chooseMicroBatch, type ChooseMicroBatchOptions, type MicroBatchSpeed } from './choose-micro-batch.ts'
export { type GradientLengths, noiseScale } from './noise-scale.ts'
export {
  type LearningRateSearch,
  type LearningRateSearchOptions,
  type LearningRateTrial,
  searchLearningRate,
} from './search-learning-rate.ts'
export { branchSchedule, planSearch, type SearchPlan, type SearchPlanOptions } from './search-plan.ts'
