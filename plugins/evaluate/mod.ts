/**
 * How good a model is: tasks in the formats of lm-evaluation-harness, measures with their uncertainty, before and after. See README.md.
 *
 * @module
 */
export { compareResults } from './compare.ts'
export { evaluateTask, type EvaluateTaskOptions, type ItemResult, type TaskResult } from './evaluate-task.ts'
export {
  evaluateModel,
  type EvaluateModelOptions,
  type ModelEvaluation,
  type Subject,
  type TaskEvaluation,
} from './evaluate-model.ts'
export type { Difference, ItemScore, Measure } from './measures/statistics.ts'
export { EVALUATION_FILE, evaluationResults, readEvaluation } from './report/read-evaluation.ts'
export { reportPage } from './report/report-page.ts'
export { type ReportChart, type ReportSample, type RunReport, runReport } from './report/run-report.ts'
export type { Curve as ReportCurve } from './report/line-chart.ts'
export type { EncodedPair } from './scoring/encode-pair.ts'
export { type LogLikelihood, type LogLikelihoodOptions, logLikelihoods } from './scoring/log-likelihoods.ts'
export { readTask, type ReadTaskOptions } from './tasks/read-task.ts'
export {
  type ChoiceItem,
  type ContinuationItem,
  type GenerationItem,
  type MatchOptions,
  MEASURES,
  type Task,
  type TaskKind,
  type TextItem,
  type WritingOptions,
} from './tasks/task.ts'
