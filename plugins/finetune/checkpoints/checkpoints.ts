/**
 * The checkpoint folders of an output_dir: which there are, and which to delete.
 */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { removeFolderAtomic } from '../../../core/files/atomic.ts'

export interface CheckpointFolder {
  readonly step: number
  readonly folder: string
}

/**
 * Checkpoint folders of a run, oldest first.
 *
 * @example
 * ```ts
 * import { listCheckpoints } from 'tritune/plugins/finetune'
 *
 * console.log(listCheckpoints('./no-run-yet')) // → []
 * ```
 */
export function listCheckpoints(outputDir: string): CheckpointFolder[] {
  if (!existsSync(outputDir)) return []
  return readdirSync(outputDir)
    .flatMap((name) => {
      const step = /^checkpoint-(\d+)$/.exec(name)?.[1]
      return step === undefined ? [] : [{ step: Number(step), folder: join(outputDir, name) }]
    })
    .toSorted((a, b) => a.step - b.step)
}

/** Deletes the oldest checkpoints beyond `limit`; the one of step `keep` (the best) stays. */
export function pruneCheckpoints(outputDir: string, limit: number | null, keep: number | null): void {
  if (limit === null) return
  const all = listCheckpoints(outputDir)
  const removable = all.filter(({ step }) => step !== keep)
  const excess = all.length - Math.max(limit, 1)
  for (const { folder } of removable.slice(0, Math.max(0, Math.min(excess, removable.length - 1))))
    removeFolderAtomic(folder)
}
