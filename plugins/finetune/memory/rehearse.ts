/**
 * A run without its weights and without its work: everything is opened on a `shapeDevice()`, one step of the longest micro-batch runs there, and the peak is
 * what the real run takes. Of the base model only headers are read.
 */
import { type ActivationStore, type Device, empty, type StoredActivation } from '../../../core/mod.ts'
import type { Batch } from '../../data/mod.ts'
import type { FinetuneConfig } from '../config/config.ts'
import { openRun } from '../open-run.ts'
import type { Run } from '../run.ts'
import type { PrepareOptions } from '../run-inputs.ts'
import { trainStep } from '../training/train-step.ts'
import { estimateMemory, type MemoryParts, savedBySharding, scratchBytes } from './estimate.ts'
import { memoryMode } from './memory-mode.ts'
import { shapeDevice, type ShapeDevice } from './shape-device.ts'

/** What a run would take. */
export interface Rehearsal {
  readonly parts: MemoryParts
  /** Bytes of all of them. */
  readonly memory: number
  /** Tokens of the largest micro-batch. */
  readonly tokens: number
}

/** Which device a run is rehearsed for. */
export interface RehearsedDevice extends Pick<Device, 'name' | 'capacity'> {
  readonly kind: 'cpu' | 'cuda'
}

/** Options of `rehearseRun`. */
export interface RehearseOptions extends Omit<PrepareOptions, 'device'> {
  readonly device: RehearsedDevice
  /** Told of the run before its step: what else is to be known of it. */
  readonly onRun?: (run: Run) => void
}

/** Throws as `prepareRun()`; `micro_batch_size: auto` counts as it stands in `config`. */
export async function rehearseRun(
  config: FinetuneConfig,
  { device: { kind, name, capacity }, onRun, ...options }: RehearseOptions,
): Promise<Rehearsal> {
  const device = shapeDevice({ kind, name })
  // Factors that start from the weights, which are not there, have the same shapes as others.
  const shaped: FinetuneConfig = {
    ...config,
    ...(config.memory === 'auto' ? { memory: 'fast' } : {}),
    peft_init_lora_weights: true,
    peft: null,
    pagedOptimizer: false,
  }
  using run = await openRun(shaped, { ...options, device, weights: 'headers' })
  onRun?.(run)
  const parts = estimateMemory(run)
  const { isLean } = memoryMode(config.memory, { capacity }, sum(Object.values(parts)))
  const changed = kind === 'cpu' && startsFromBase(config) ? adaptedBytes(run) : 0
  return rehearseStep(run, device, { parts: { ...parts, model: parts.model + changed }, isLean, changed })
}

// ---- helpers ----------------------------------------------------------------------------------------------------

interface Known {
  readonly parts: MemoryParts
  readonly isLean: boolean
  /** Bytes of weights of which there is a second copy. */
  readonly changed: number
}

function rehearseStep(run: Run, device: ShapeDevice, { parts, isLean, changed }: Known): Rehearsal {
  const state = device.memory().live
  const batch = longestBatch(run)
  const { model, parameters, optimizer, objective, gradients, config } = run
  trainStep(
    {
      model,
      device,
      parameters,
      optimizer,
      objective,
      gradients,
      checkpointing: config.gradient_checkpointing,
      leanMemory: isLean,
      activations: config.activation_offloading === false ? null : forgetting,
      seed: config.seed,
    },
    [batch],
    { step: 0, learningRate: config.learning_rate },
  )
  const mapped = sum(
    [...model.weights.values()].map((weight) => (device.isMapped(weight) ? weight.bytes : 0)),
  )
  const resident = device.resident() + mapped + changed + savedBySharding(run.sharded)
  // This process holds what the other one will, but for the tensors and the scratch of the kernels.
  const lengths = [...batch.offsets].slice(1).map((end, i) => end - batch.offsets[i])
  const program = (device.kind === 'cuda' ? 0 : process.memoryUsage().rss) + scratchBytes(run, lengths)
  return {
    // Of the strategies' copies only those with numbers in them are part of this process too: two at most, counted twice.
    parts: { ...parts, program, activations: Math.max(0, device.resident() - state) },
    memory: program + resident + parts.strategies,
    tokens: batch.ids.length,
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0)
}

/** PiSSA, OLoRA and LoftQ change the base, which then lies beside its mapped file. */
function startsFromBase({ peft_init_lora_weights: init, peft, quantizer }: FinetuneConfig): boolean {
  if (quantizer !== null) return false
  return typeof peft?.loftq_config.loftq_bits === 'number' || /^(pissa|olora|loftq)/.test(String(init))
}

function adaptedBytes({ model }: Run): number {
  return sum(
    [...model.layers.values()].map(({ adapters, weight }) => (adapters.length === 0 ? 0 : weight.bytes)),
  )
}

/** Micro-batches differ in length. */
function longestBatch({ plan }: Run): Batch {
  const batches = plan.batches(0)
  let longest: Batch | null = null
  for (const { start, end } of batches.windows)
    for (let index = start; index < end; index++) {
      const batch = batches.get(index)
      if (longest === null || batch.ids.length > longest.ids.length) longest = batch
    }
  if (longest === null) throw new Error('a plan without batches')
  return longest
}

/** What is put there leaves the device. */
const forgetting: ActivationStore = {
  put({ shape, dtype, device }): StoredActivation {
    return { take: () => empty(shape, { dtype, device }), release() {} }
  },
}
