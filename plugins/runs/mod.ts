/**
 * Runs as folders: what one is and how far it is, watching it, asking it to pause or stop, finding all there are. See README.md.
 *
 * @module
 */
export {
  type Control,
  CONTROL_ACTIONS,
  type ControlAction,
  CONTROL_FILE,
  controlFault,
  type ControlRequest,
  type UnfitControl,
} from './control/control-request.ts'
export { type ControlInbox, openControlInbox } from './control/control-inbox.ts'
export { sendControl } from './control/send-control.ts'
export { type FollowOptions, followLines, type LineFollower, type NewLines } from './files/line-follower.ts'
export { type LooseObject, looseObject } from './files/loose-object.ts'
export { type StepLines, stepLines } from './files/step-lines.ts'
export {
  createIndexMonitor,
  type IndexChanges,
  openRunIndex,
  type RunIndex,
  runIndexPath,
} from './index/run-index.ts'
export type { CurvePoint } from './index/thin-curve.ts'
export { eventText } from './read/event-text.ts'
export { rateChangesText } from './read/rate-changes-text.ts'
export { type ListedRun, listRuns, type ListRunsOptions, runFolders } from './read/list-runs.ts'
export { isRun, readRun, readRunLines } from './read/read-run.ts'
export { shortNumber } from './read/short-number.ts'
export { type RunChange, watchRun, type WatchRunOptions } from './read/watch-run.ts'
export { metricsOfEvent } from './record/metrics-line.ts'
export { createRunFiles, type RunFacts } from './record/run-files.ts'
export {
  type EventLine,
  type HistogramLine,
  type MetricsLine,
  RUN_LINES,
  type RunLines,
} from './record/run-lines.ts'
export {
  isUnfinished,
  type LearningRateChange,
  parseRunRecord,
  RUN_RECORD_FILE,
  type RunCheckpoint,
  type RunMemory,
  type RunRecord,
  type RunStatus,
} from './record/run-record.ts'
