/**
 * A run that is ready to train: what the file leaves to the machine is decided (`micro_batch_size: auto`, `learning_rate: auto`), then everything is opened and checked.
 */
import { agree } from '../../core/agree.ts'
import { TrituneError, type World } from '../../core/mod.ts'
import { findLearningRate } from './autotune/find-learning-rate.ts'
import type { FinetuneConfig } from './config/config.ts'
import { fitMicroBatch } from './memory/fit-micro-batch.ts'
import { openRun } from './open-run.ts'
import type { Run } from './run.ts'
import type { PrepareOptions } from './run-inputs.ts'

/**
 * Opens everything; when something fails, what was opened before is closed and the error goes on.
 *
 * @example
 * ```ts
 * import { finetuneConfig, prepareRun, train } from 'tritune/plugins/finetune'
 *
 * const config = finetuneConfig.validate({
 *   base_model: 'my-model',
 *   adapter: 'lora',
 *   lora_target_linear: true,
 *   datasets: [{ path: 'my-data.jsonl', type: 'alpaca' }],
 *   learning_rate: 1e-3,
 *   max_steps: 2,
 *   output_dir: './prepared',
 * })
 * using run = await prepareRun(config)
 * console.log(run.parameters.size > 0, run.plan.totalSteps) // → true 2
 * const { loss } = await train(run)
 * console.log(loss > 0) // → true
 * ```
 */
export async function prepareRun(config: FinetuneConfig, options: PrepareOptions = {}): Promise<Run> {
  if (options.world) expectAllAuto(options.world, config)
  const sized = config.autoMicroBatch ? await fitMicroBatch(config, options) : config
  return await openRun(
    sized.autoLearningRate
      ? await findLearningRate(sized, options, { withMicroBatch: config.autoMicroBatch })
      : sized,
    options,
  )
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** What is decided together is asked for by all; everything else that differs shows when all runs are open. */
function expectAllAuto(world: World, config: FinetuneConfig): void {
  const { autoMicroBatch, micro_batch_size: size, autoLearningRate, learning_rate: rate } = config
  const own = {
    micro_batch_size: autoMicroBatch ? 'auto' : String(size),
    learning_rate: autoLearningRate ? 'auto' : String(rate),
  }
  agree(world, () => {
    const told: (typeof own)[] = world.gather(JSON.stringify(own)).map((text) => JSON.parse(text))
    for (const key of ['micro_batch_size', 'learning_rate'] as const) {
      const odd = told.findIndex((one) => (one[key] === 'auto') !== (told[0][key] === 'auto'))
      if (odd < 0) continue
      throw new TrituneError(
        'E_PEER',
        `process ${odd} of ${world.size} has another ${key}: ${told[odd][key]} where process 0 has ${told[0][key]}`,
        { remedy: 'give all processes the same tritune, file, data and base model' },
      )
    }
  })
}
