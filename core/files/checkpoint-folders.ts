/**
 * The checkpoint folders of a run, by their names. What is in them is not looked at.
 */
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** A folder `checkpoint-<step>`. */
export interface CheckpointFolder {
  readonly step: number
  readonly folder: string
}

/**
 * Checkpoint folders of a run, oldest first; none where there is no folder.
 *
 * @example
 * ```ts
 * import { listCheckpoints } from 'tritune/plugins/finetune'
 *
 * console.log(listCheckpoints('./no-run-yet')) // → []
 * ```
 */
export function listCheckpoints(outputDir: string): CheckpointFolder[] {
  if (!statSync(outputDir, { throwIfNoEntry: false })?.isDirectory()) return []
  return readdirSync(outputDir)
    .flatMap((name) => {
      const step = /^checkpoint-(\d+)$/.exec(name)?.[1]
      return step === undefined ? [] : [{ step: Number(step), folder: join(outputDir, name) }]
    })
    .toSorted((a, b) => a.step - b.step)
}
