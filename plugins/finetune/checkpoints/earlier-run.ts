/**
 * What an earlier run left in `output_dir`, and whether it came to its end. A run that ended leaves `finished.json`,
 * written last of all; every run takes it away before its first step. So the folder says at once, and after any kill,
 * whether there is something to continue, to keep, or to overwrite.
 */
import { counted } from '../../../core/counted.ts'
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { removeFolderAtomic, writeFileAtomic } from '../../../core/files/atomic.ts'
import { fileError } from '../../../core/files/files.ts'
import { TrituneError } from '../../../core/mod.ts'
import type { TrainingFacts } from '../../hub/mod.ts'
import { listCheckpoints } from '../../../core/files/checkpoint-folders.ts'

export const FINISHED_FILE = 'finished.json'

/** Final names of what a run writes into `output_dir`. */
export const RUN_FILE: RegExp =
  /^(checkpoint-\d+|tritune\.json|(activations|optimizer)\.scratch|finished\.json|run\.json|tensorboard|(metrics|events|histograms|control|completions)\.jsonl|adapter_(config\.json|model\.safetensors)|model(-\d{5}-of-\d{5})?\.safetensors|model\.safetensors\.index\.json|(generation_)?config\.json|tokenizer(_config)?\.json|special_tokens_map\.json|chat_template\.jinja|added_tokens\.json|tokenizer\.model|additional_chat_templates|vocab\.json|merges\.txt)$/

/** What an earlier run left in an `output_dir`. */
export interface EarlierRun {
  /** It came to its end: the adapter or model in the folder is its result. */
  readonly finished: boolean
  /** Steps of a finished run, where it says so. */
  readonly steps: number | null
  /** Folder of its newest checkpoint. */
  readonly newest: string | null
  /** It took steps: metrics.jsonl has lines. */
  readonly started: boolean
}

/**
 * Looks at what an earlier run left in a folder; one that is not there, or is empty, has none of it. Changes nothing.
 */
export function findEarlierRun(outputDir: string): EarlierRun {
  const has = (name: string): boolean => existsSync(join(outputDir, name))
  const newest = listCheckpoints(outputDir).at(-1)?.folder ?? null
  const marker = has(FINISHED_FILE)
  // Folders from before there was a marker, and from elsewhere: a result without checkpoints is one, too.
  const result =
    newest === null &&
    ((has('adapter_config.json') && has('adapter_model.safetensors')) ||
      (has('config.json') && (has('model.safetensors') || has('model.safetensors.index.json'))))
  return {
    finished: marker || result,
    steps: marker ? stepsOf(join(outputDir, FINISHED_FILE)) : null,
    newest,
    started: has('metrics.jsonl') && readFileSync(join(outputDir, 'metrics.jsonl')).length > 0,
  }
}

/** How whoever started the run asks to continue or to overwrite. */
export interface WaysOn {
  readonly resume: string
  readonly overwrite: string
}

/** A new run must not mix with an old one, nor replace its result unasked. E_RESUME says what is there. */
export function refuseEarlierRun(
  outputDir: string,
  { resume, overwrite }: WaysOn = { resume: '--resume', overwrite: '--overwrite' },
): void {
  const { finished, steps, newest } = findEarlierRun(outputDir)
  if (finished) {
    throw new TrituneError(
      'E_RESUME',
      `a finished run is here${steps === null ? '' : ` (${counted(steps, 'step')})`}`,
      {
        place: outputDir,
        remedy: `train it again with ${overwrite}, which removes it first, or set another output_dir`,
      },
    )
  }
  if (newest === null) return
  throw new TrituneError('E_RESUME', `an earlier run left ${basename(newest)} here`, {
    place: outputDir,
    remedy: `continue it with ${resume}, start over with ${overwrite}, which removes it first, or set another output_dir`,
  })
}

export interface FinishedMark {
  readonly steps: number
  /** For the model card. */
  readonly facts?: TrainingFacts
}

/** The last thing that a run writes. */
export function markFinished(outputDir: string, mark: FinishedMark): void {
  writeFileAtomic(join(outputDir, FINISHED_FILE), `${JSON.stringify({ format: 1, ...mark })}\n`)
}

/** Before the first step: what follows is not finished. */
export function unmarkFinished(outputDir: string): void {
  remove(join(outputDir, FINISHED_FILE))
}

/**
 * Removes what a run wrote into `output_dir`, and nothing else. At any moment of it the folder is that of an unfinished
 * run, or of none: the mark goes first, then the checkpoints, each at once, the newest first, then the rest.
 */
export function removeEarlierRun(outputDir: string): void {
  unmarkFinished(outputDir)
  for (const { folder } of listCheckpoints(outputDir).toReversed()) removeFolderAtomic(folder)
  for (const path of runFilesIn(outputDir)) remove(path)
}

/** What a run wrote into a folder: paths of files and folders, and of nothing else that lies there. */
export function runFilesIn(outputDir: string): string[] {
  if (!existsSync(outputDir)) return []
  return readdirSync(outputDir)
    .filter((name) => RUN_FILE.test(name))
    .toSorted()
    .map((name) => join(outputDir, name))
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function remove(path: string): void {
  try {
    rmSync(path, { force: true, recursive: true })
  } catch (error) {
    throw fileError(error, path, 'cannot remove')
  }
}

function stepsOf(path: string): number | null {
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'))
    if (typeof value === 'object' && value !== null && 'steps' in value && typeof value.steps === 'number')
      return value.steps
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw fileError(error, path, 'cannot read')
  }
  return null
}
