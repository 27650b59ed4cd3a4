/**
 * `micro_batch_size: auto`: the largest micro-batch that divides the documents of a step and whose rehearsal fits in the memory, with as many of them in a
 * step as the file asks for. What a step learns stays the same.
 */
import { availableMemory } from '../../../core/native/available-memory.ts'
import { agreeAsync, decide } from '../../../core/agree.ts'
import { type Device, TrituneError } from '../../../core/mod.ts'
import { earlierSetting } from '../checkpoints/earlier-setting.ts'
import { betaOfBatch } from '../../autotune/mod.ts'
import type { FinetuneConfig } from '../config/config.ts'
import { hasSecondMoment } from '../config/optimizer-names.ts'
import { openDevice, isDeviceName } from '../../cuda/mod.ts'
import { formatBytes } from '../reports/format.ts'
import type { PrepareOptions } from '../run-inputs.ts'
import { type RehearsedDevice, type RehearseOptions, rehearseRun } from './rehearse.ts'

/** An estimate is an estimate, and the machine has other things to do. */
const FILL = 0.9

/** The same run with the numbers filled in, and a note that tells them. Throws E_MEMORY where one document does not fit. */
export async function fitMicroBatch(
  config: FinetuneConfig,
  options: PrepareOptions,
  device: RehearsedDevice = deviceOf(config, options),
): Promise<FinetuneConfig> {
  const { world = null, startsAnew } = options
  const documents = config.gradient_accumulation_steps
  // Checkpoints are where the first process is.
  const before = startsAnew ? null : decide(world, () => sizeBefore(config, documents))
  if (before !== null)
    return told(
      config.autoBatch ? withBatch(config, before, documents) : withMicroBatch(config, before, documents),
      'as in the checkpoint of output_dir',
    )
  const budget = device.capacity ?? availableMemory() / (world?.localSize ?? 1)
  const own = await agreeAsync(world, () => largestFit(config, { ...options, device }, budget))
  // Where machines differ, what fits on all of them.
  const all = world === null ? [own] : world.gather(JSON.stringify(own)).map((text): Fit => JSON.parse(text))
  const { size, why } = all.reduce((least, one) => (one.size < least.size ? one : least))
  return told(withMicroBatch(config, size, documents), why)
}

/** What a device is for a rehearsal. */
export function rehearsed(device: Device | null): RehearsedDevice {
  const { name = 'cpu', capacity } = device ?? {}
  return { name, capacity, kind: device?.kind === 'cuda' ? 'cuda' : 'cpu' }
}

/** So many documents at once, and as many in a step. */
export function withMicroBatch(config: FinetuneConfig, size: number, documents: number): FinetuneConfig {
  const { eval_batch_size: evaluated, micro_batch_size: before } = config
  return {
    ...config,
    autoMicroBatch: false,
    micro_batch_size: size,
    gradient_accumulation_steps: documents / size,
    eval_batch_size: evaluated === before ? size : evaluated,
  }
}

/** So many documents at once, and no more in a step; β₂ keeps the half-life in tokens that it has with `documents`. */
export function withBatch(config: FinetuneConfig, size: number, documents: number): FinetuneConfig {
  const sized = withMicroBatch(config, size, size)
  if (size === documents || config.adam_beta2_half_life !== null || !hasSecondMoment(config.optimizer))
    return sized
  const beta2 = betaOfBatch(config.adam_beta2, size / documents)
  const note = `adam_beta2 is ${beta2.toPrecision(6)} for ${size} documents in a step, as ${config.adam_beta2} is for ${documents}`
  return { ...sized, adam_beta2: beta2, notes: [...config.notes, note] }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** A size, and what it takes of what is there. */
interface Fit {
  readonly size: number
  readonly why: string
}

/** On this process; what it holds in parts is counted, and nobody else is asked. */
async function largestFit(
  config: FinetuneConfig,
  { world, ...options }: RehearseOptions,
  budget: number,
): Promise<Fit> {
  const documents = config.gradient_accumulation_steps
  const { processes = world?.size ?? 1 } = options
  const sizes = divisorsOf(documents)
  let fits: Fit | null = null
  let [low, high] = [0, sizes.length - 1]
  while (low <= high) {
    const middle = (low + high) >> 1
    const size = sizes[middle]
    const { memory } = await rehearseRun(withMicroBatch(config, size, documents), { ...options, processes })
    if (memory > FILL * budget) high = middle - 1
    else {
      fits = { size, why: `about ${formatBytes(memory)} of ${formatBytes(budget)}` }
      low = middle + 1
    }
    if (fits === null && middle === 0)
      throw new TrituneError(
        'E_MEMORY',
        `a micro-batch of 1 takes about ${formatBytes(memory)}, and ${formatBytes(budget)} are there`,
        {
          place: 'micro_batch_size',
          remedy:
            'set gradient_checkpointing: true, a smaller sequence_len, or load_in_4bit: true with an adapter',
        },
      )
  }
  if (fits === null) throw new Error('no size was tried')
  return fits
}

/** A run that goes on does so with the same batches, whatever memory there is now. */
function sizeBefore(config: FinetuneConfig, documents: number): number | null {
  const size = earlierSetting(config, 'micro_batch_size')
  return typeof size === 'number' && size > 0 && documents % size === 0 ? size : null
}

function told(config: FinetuneConfig, why: string): FinetuneConfig {
  const { micro_batch_size: size, gradient_accumulation_steps: steps } = config
  return { ...config, notes: [...config.notes, `micro_batch_size: auto is ${size} × ${steps}: ${why}`] }
}

function deviceOf({ device, threads }: FinetuneConfig, options: PrepareOptions): RehearsedDevice {
  if (options.device !== undefined) return rehearsed(options.device)
  return rehearsed(isDeviceName(device) ? openDevice(device, { threads: threads ?? 0 }).device : null)
}

/** Smallest first. */
function divisorsOf(n: number): number[] {
  return Array.from({ length: n }, (_, i) => i + 1).filter((size) => n % size === 0)
}
