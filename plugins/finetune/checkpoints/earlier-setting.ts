/**
 * A setting as the run began with it, of a run that goes on: what `auto` once became stays.
 */
import type { FinetuneConfig } from '../config/config.ts'
import { listCheckpoints } from '../../../core/files/checkpoint-folders.ts'
import { savedSetting } from './training-state.ts'

/** Of the checkpoint that the run would go on from; undefined where there is none. */
export function earlierSetting(
  { output_dir, resume_from_checkpoint }: Pick<FinetuneConfig, 'output_dir' | 'resume_from_checkpoint'>,
  key: keyof FinetuneConfig,
): unknown {
  const folder = resume_from_checkpoint ?? listCheckpoints(output_dir).at(-1)?.folder
  return folder === undefined ? undefined : savedSetting(folder, key)
}
