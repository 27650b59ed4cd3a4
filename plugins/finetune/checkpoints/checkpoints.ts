/**
 * The checkpoint folders of an output_dir: which to delete.
 */
import { removeFolderAtomic } from '../../../core/files/atomic.ts'
import { listCheckpoints } from '../../../core/files/checkpoint-folders.ts'

/** Deletes the oldest checkpoints beyond `limit`; the one of step `keep` (the best) stays. */
export function pruneCheckpoints(outputDir: string, limit: number | null, keep: number | null): void {
  if (limit === null) return
  const all = listCheckpoints(outputDir)
  const removable = all.filter(({ step }) => step !== keep)
  const excess = all.length - Math.max(limit, 1)
  for (const { folder } of removable.slice(0, Math.max(0, Math.min(excess, removable.length - 1))))
    removeFolderAtomic(folder)
}
