/**
 * What to say when a device has no memory left: what the run needs memory for, and which settings need less.
 */
import { TrituneError } from '../../../core/mod.ts'
import { estimateMemory } from './estimate.ts'
import { formatBytes } from '../reports/format.ts'
import type { Run } from '../run.ts'

/** An E_MEMORY becomes one with the plan of the run; any other error stays as it is. */
export function explainOutOfMemory(error: unknown, run: Run, when: string): unknown {
  if (!(error instanceof TrituneError) || error.code !== 'E_MEMORY') return error
  const { config, model, dtype, device } = run
  const {
    program,
    model: weights,
    adapter,
    gradients,
    optimizer,
    strategies,
    activations,
  } = estimateMemory(run)
  const { live, peak } = device.memory()
  const rows = [
    ['program', program, 'the runtime, and the scratch of kernels'],
    ['model', weights, `${model.info.type}, ${dtype}`],
    ['adapter', adapter, config.adapter ?? ''],
    ['gradients', gradients, 'f32'],
    ['optimizer', optimizer, config.optimizer],
    ['strategies', strategies, 'their copies of what is trained'],
    ['activations', activations, `about, of ${config.micro_batch_size} × ${config.sequence_len} tokens`],
  ] as const
  const lines = rows
    .filter(([, bytes]) => bytes > 0)
    .map(([name, bytes, what]) => `  ${name.padEnd(12)} ${formatBytes(bytes).padStart(9)}  ${what}`)
  const what = [
    `${device.name} has no memory left ${when}: ${error.message.split('\n')[0]}`,
    ...lines,
    `  ${'in use'.padEnd(12)} ${formatBytes(live).padStart(9)}  at most ${formatBytes(peak)} so far`,
  ]
  return new TrituneError('E_MEMORY', what.join('\n'), { remedy: whatHelps(run), cause: error })
}

/** Runs `open` while a run is prepared: an E_MEMORY says what did not fit. */
export function fitting<T>(subject: string, open: () => T): T {
  try {
    return open()
  } catch (error) {
    if (!(error instanceof TrituneError) || error.code !== 'E_MEMORY') throw error
    throw new TrituneError('E_MEMORY', `${subject} does not fit: ${error.message.split('\n')[0]}`, {
      remedy: 'set bf16: true or adapter: lora if they are not, take a smaller model, or use device: cpu',
      cause: error,
    })
  }
}

/** Settings that need less memory than now, those that cost nothing first. */
export function whatHelps({ config, dtype }: Run): string {
  const { micro_batch_size, gradient_accumulation_steps, sequence_len, gradient_checkpointing } = config
  const steps: string[] = []
  if (!gradient_checkpointing) steps.push('gradient_checkpointing: true')
  if (micro_batch_size > 1) {
    const half = Math.floor(micro_batch_size / 2)
    const more = Math.ceil((micro_batch_size * gradient_accumulation_steps) / half)
    steps.push(`micro_batch_size: ${half} with gradient_accumulation_steps: ${more}, which trains the same`)
  }
  if (dtype === 'f32') steps.push('bf16: true')
  if (config.adapter === null)
    steps.push('adapter: lora', ...(config.optimizer === 'adamw_8bit' ? [] : ['optimizer: adamw_8bit']))
  if (config.activation_offloading === false && gradient_checkpointing)
    steps.push('activation_offloading: true')
  if (sequence_len > 128) steps.push(`a sequence_len below ${sequence_len}`)
  return `set one of these, in this order: ${[...steps, 'a smaller model'].join('; ')}`
}
