/**
 * Watching runs: in a terminal, and on a web page. See README.md.
 *
 * @module
 */
export type { Key } from './terminal/dialogue.ts'
export {
  openTerminalMonitor,
  type KeyListener,
  type Terminal,
  type TerminalMonitor,
  type TerminalMonitorOptions,
} from './terminal/open-terminal-monitor.ts'
export type { ScreenSize } from './terminal/draw-screen.ts'
export type { Choice, Choices } from './web/choices.ts'
export type { Job, JobList, JobState } from './web/jobs.ts'
export { openWebMonitor, type WebMonitor, type WebMonitorOptions } from './web/open-web-monitor.ts'
