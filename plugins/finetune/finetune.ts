/**
 * `finetune({ base_model: …, … })`: a whole run from the keys of the YAML file as a typed object. What `bun run finetune` does with a
 * file, without its lines on the terminal.
 *
 * Programs that want the parts of a run between preparing and training call `prepareRun()` and `train()` themselves.
 */
import { type RunResult, TrituneError } from '../../core/mod.ts'
import { atKeyAsync } from './config/at-key.ts'
import { type FinetuneConfig, finetuneConfig } from './config/config.ts'
import { findEarlierRun, refuseEarlierRun, removeEarlierRun } from './checkpoints/earlier-run.ts'
import type { FinetuneInput } from './config/finetune-input.ts'
import { lockOutputDir } from './checkpoints/output-dir.ts'
import { prepareRun } from './prepare.ts'
import type { PrepareOptions } from './run-inputs.ts'
import type { Resume } from './checkpoints/run-progress.ts'
import { train, type TrainOptions } from './training/train.ts'

/** The second argument of `finetune()`: what no file says. */
export interface FinetuneRunOptions
  extends PrepareOptions, Pick<TrainOptions, 'monitors' | 'onEvent' | 'signal'> {
  /** Where to start, instead of what `resume_from_checkpoint` and `auto_resume_from_checkpoints` say. */
  readonly resume?: Resume
  /** Removes an earlier run of `output_dir` before the first step. */
  readonly overwrite?: boolean
}

/**
 * Fine-tunes a model and writes it to `output_dir`; resolves at the end of the run, or after a step when `signal` asked for that.
 *
 * @throws ConfigError (E_CONFIG, E_CONFIG_KEY) with every key that is wrong; E_RESUME when `output_dir` has an earlier run and nothing
 *   says whether to continue or to overwrite it; what `prepareRun()` and `train()` throw
 * @example
 * ```ts
 * import { finetune } from 'tritune'
 *
 * const { loss, outputDir } = await finetune({
 *   base_model: 'HuggingFaceTB/SmolLM2-135M-Instruct',
 *   adapter: 'lora',
 *   lora_target_linear: true,
 *   datasets: [{ path: 'my-data.jsonl', type: 'alpaca' }],
 *   learning_rate: 2e-4,
 * })
 * ```
 */
export async function finetune(input: FinetuneInput, options: FinetuneRunOptions = {}): Promise<RunResult> {
  const { resume: asked, overwrite = false, monitors, onEvent, signal, ...preparing } = options
  const config = finetuneConfig.validate(input)
  using lock = await atKeyAsync(['output_dir'], () => lockOutputDir(config.output_dir))
  const resume = startOf(config, asked, overwrite)
  using run = await prepareRun(config, { ...preparing, startsAnew: overwrite })
  if (overwrite) removeEarlierRun(config.output_dir)
  return await train(run, {
    resume,
    lock,
    ...(monitors && { monitors }),
    ...(onEvent && { onEvent }),
    ...(signal && { signal }),
  })
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** How options of a program say what the command line says. */
const WAYS = { resume: "resume: 'newest'", overwrite: 'overwrite: true' }

function startOf(config: FinetuneConfig, asked: Resume | undefined, overwrite: boolean): Resume {
  const { output_dir: outputDir, resume_from_checkpoint: folder, auto_resume_from_checkpoints: auto } = config
  const resume = asked ?? (folder === null ? auto && 'newest-if-any' : { folder })
  if (overwrite) {
    if (resume === false) return false
    throw new TrituneError('E_USAGE', 'overwrite starts anew, and the run is asked to resume', {
      remedy: 'leave out one of them',
    })
  }
  if (resume === false || (typeof resume === 'string' && findEarlierRun(outputDir).finished))
    refuseEarlierRun(outputDir, WAYS)
  return resume
}
