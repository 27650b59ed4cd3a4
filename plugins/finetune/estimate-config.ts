/**
 * What the file of a run will take, told before its weights are there: memory by part, whether that fits, what would fit where it does not, and time.
 */
import type { Device } from '../../core/mod.ts'
import { availableMemory } from '../../core/native/available-memory.ts'
import { isDeviceName, openDevice } from '../cuda/mod.ts'
import type { FinetuneConfig } from './config/config.ts'
import { flopsOn, secondsOf } from './memory/estimate.ts'
import { fitMicroBatch, rehearsed } from './memory/fit-micro-batch.ts'
import type { MemoryParts, Rehearsal } from './memory/memory-parts.ts'
import { type RehearsedDevice, rehearseRun } from './memory/rehearse.ts'
import type { Run } from './run.ts'
import type { PrepareOptions } from './run-inputs.ts'

/** What a run will take. */
export interface ConfigEstimate {
  /** For which device: that of the file, or one with the memory that was asked about. */
  readonly device: string
  /** Bytes of all parts. */
  readonly memory: number
  readonly parts: MemoryParts
  /** Bytes that there are. */
  readonly budget: number
  readonly fits: boolean
  /** Tokens of the largest micro-batch. */
  readonly tokens: number
  readonly steps: number
  readonly stepsPerEpoch: number
  readonly trainableParameters: number
  /** Seconds of one epoch; null: not known of a device that is not here. */
  readonly secondsPerEpoch: number | null
  /** Where it does not fit: the first change of the file that does, and what it takes then. */
  readonly instead: { readonly change: string; readonly memory: number } | null
  readonly notes: readonly string[]
}

/** Options of `estimateConfig()`: those of `prepareRun()`, and the memory of a GPU that is not here. */
export interface EstimateConfigOptions extends Omit<PrepareOptions, 'weights'> {
  /** Bytes of a GPU; not given: the device of the file. */
  readonly vram?: number
}

/**
 * Reads the file's data, the model's config, tokenizer and the headers of its weights, and runs one step on shapes alone.
 *
 * @example
 * ```ts
 * import { readFileSync } from 'node:fs'
 * import { estimateConfig, formatBytes, readFinetuneConfig } from 'tritune/plugins/finetune'
 *
 * const config = readFinetuneConfig(readFileSync('my.yaml', 'utf8'), 'my.yaml')
 * const { memory, parts, fits } = await estimateConfig(config, { vram: 8 * 2 ** 30 })
 * console.log(formatBytes(memory), parts.model > 0, fits) // as `tritune estimate my.yaml --vram 8GiB`
 * ```
 */
export async function estimateConfig(
  config: FinetuneConfig,
  { vram, ...options }: EstimateConfigOptions = {},
): Promise<ConfigEstimate> {
  const own = vram === undefined ? ownDevice(config, options.device) : null
  const device: RehearsedDevice =
    vram === undefined ? rehearsed(own) : { kind: 'cuda', name: 'cuda', capacity: vram }
  const budget = device.capacity ?? availableMemory()
  const settled = config.autoMicroBatch ? await fitMicroBatch(config, options, device) : config
  const facts: Facts[] = []
  const onRun = (run: Run): void => void facts.push(factsOf(run, own, options.processes))
  const found = await rehearseRun(settled, { ...options, device, onRun })
  const fits = found.memory <= budget
  return {
    device: vram === undefined ? (own?.description ?? device.name) : 'a GPU that is asked about',
    ...found,
    ...facts[0],
    budget,
    fits,
    instead: fits ? null : await whatFits(settled, device, budget, options),
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

type Facts = Pick<
  ConfigEstimate,
  'steps' | 'stepsPerEpoch' | 'trainableParameters' | 'secondsPerEpoch' | 'notes'
>

function ownDevice({ device, threads }: FinetuneConfig, given: Device | undefined): Device | null {
  if (given !== undefined) return given
  return isDeviceName(device) ? openDevice(device, { threads: threads ?? 0 }).device : null
}

function factsOf(run: Run, own: Device | null, processes?: number): Facts {
  const { plan, parameters, config } = run
  const seconds =
    own === null ? null : secondsOf(run, flopsOn(own, run, config.micro_batch_size * 256), processes)
  return {
    steps: plan.totalSteps,
    stepsPerEpoch: plan.stepsPerEpoch,
    trainableParameters: [...parameters.values()].reduce((sum, { size }) => sum + size, 0),
    secondsPerEpoch: seconds === null ? null : (seconds * plan.stepsPerEpoch) / plan.totalSteps,
    notes: run.notes,
  }
}

interface Change {
  readonly name: string
  /** null: it is so already, or cannot be. */
  apply(config: FinetuneConfig): FinetuneConfig | null
}

/** From what costs least to what costs most. */
const CHANGES: readonly Change[] = [
  {
    name: 'micro_batch_size: 1',
    apply: (config) =>
      config.micro_batch_size === 1
        ? null
        : {
            ...config,
            micro_batch_size: 1,
            gradient_accumulation_steps: config.micro_batch_size * config.gradient_accumulation_steps,
          },
  },
  {
    name: 'gradient_checkpointing: true',
    apply: (config) => (config.gradient_checkpointing ? null : { ...config, gradient_checkpointing: true }),
  },
  {
    name: 'activation_offloading: true',
    apply: (config) =>
      config.activation_offloading === false ? { ...config, activation_offloading: true } : null,
  },
  {
    name: 'optimizer: adamw_8bit',
    apply: (config) => (config.optimizer === 'adamw' ? { ...config, optimizer: 'adamw_8bit' } : null),
  },
  {
    name: 'load_in_4bit: true',
    apply: (config) =>
      config.adapter === null || config.quantizer !== null
        ? null
        : { ...config, quantizer: { name: 'nf4', options: { double_quant: true } } },
  },
  {
    name: 'adapter: qlora',
    apply: (config) =>
      config.adapter === null && !config.reinit_weights
        ? { ...config, adapter: 'lora', quantizer: { name: 'nf4', options: { double_quant: true } } }
        : null,
  },
]

/** The changes one on top of the other until it fits; null: not even all of them do. */
async function whatFits(
  config: FinetuneConfig,
  device: RehearsedDevice,
  budget: number,
  options: PrepareOptions,
): Promise<ConfigEstimate['instead']> {
  const made: string[] = []
  let changed = config
  for (const { name, apply } of CHANGES) {
    const next = apply(changed)
    if (next === null) continue
    changed = next
    made.push(name)
    const { memory }: Rehearsal = await rehearseRun(changed, { ...options, device })
    if (memory <= budget) return { change: made.join(', '), memory }
  }
  return null
}
