/**
 * A learning rate found by short annealed branches. See README.md.
 *
 * @module
 */
export {
  type LearningRateSearch,
  type LearningRateSearchOptions,
  type LearningRateTrial,
  searchLearningRate,
} from './search-learning-rate.ts'
export { branchSchedule, planSearch, type SearchPlan, type SearchPlanOptions } from './search-plan.ts'
