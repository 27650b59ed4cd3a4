/**
 * Folders of runs for tests, without a run.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { RunRecord } from '../../../plugins/runs/mod.ts'

/** A run.json of some fields, and the lines of other files. */
export function writeRunFolder(
  folder: string,
  record: Partial<RunRecord>,
  lines: Readonly<Record<string, readonly object[]>> = {},
): string {
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'run.json'), JSON.stringify(record))
  for (const [name, all] of Object.entries(lines))
    writeFileSync(join(folder, name), all.map((line) => `${JSON.stringify(line)}\n`).join(''))
  return folder
}
