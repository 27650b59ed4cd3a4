/**
 * Watching runs: on a web page. See README.md.
 *
 * @module
 */
export type { Choice, Choices } from './web/choices.ts'
export type { Job, JobList, JobState } from './web/jobs.ts'
export { openWebMonitor, type WebMonitor, type WebMonitorOptions } from './web/open-web-monitor.ts'
