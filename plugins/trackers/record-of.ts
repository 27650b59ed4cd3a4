/**
 * What a tracker shows of a run besides its numbers.
 */
import { basename, resolve } from 'node:path'
import type { JsonValue } from '../../core/mod.ts'
import { isRun, parseRunRecord, readRun, type RunRecord } from '../runs/mod.ts'

/** The record of the run that a monitor is told of; of a program that writes none, what can be said. */
export function recordOf(outputDir: string): RunRecord {
  if (isRun(outputDir)) return readRun(outputDir)
  const name = basename(resolve(outputDir))
  return parseRunRecord({ run_id: `${name}-${process.pid}-${Date.now()}`, run_name: name })
}

/** The settings, without those that nobody set. */
export function settingsOf({ config }: Pick<RunRecord, 'config'>): Readonly<Record<string, JsonValue>> {
  return Object.fromEntries(Object.entries(config).filter(([, value]) => value !== null))
}
