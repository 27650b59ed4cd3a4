/**
 * The run's side of control.jsonl: what was asked since the last look. Looking costs one `open` that fails, or one `stat`.
 */
import { join } from 'node:path'
import { followLines } from '../files/line-follower.ts'
import { CONTROL_FILE, type ControlRequest, parseControl, type UnfitControl } from './control-request.ts'

/** What was asked of a run. */
export interface ControlInbox {
  /** Since the last call, in order. */
  take(): readonly (ControlRequest | UnfitControl)[]
}

/** Lines that are there already were meant for a run before this one. */
export function openControlInbox(folder: string): ControlInbox {
  const follower = followLines(join(folder, CONTROL_FILE), { from: 'end' })
  return { take: () => follower.look().lines.flatMap((line) => parseControl(line) ?? []) }
}
