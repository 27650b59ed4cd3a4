/**
 * One step of the longest micro-batch of a run that was built on shapes: its peak is what the real run takes.
 */
import { type ActivationStore, empty, type StoredActivation, TrituneError } from '../../../core/mod.ts'
import type { Batch } from '../../data/mod.ts'
import type { FinetuneConfig } from '../config/config.ts'
import type { Run } from '../run.ts'
import { trainStep } from '../training/train-step.ts'
import { estimateMemory, savedBySharding, scratchBytes } from './estimate.ts'
import { memoryMode } from './memory-mode.ts'
import type { MemoryParts, Rehearsal } from './memory-parts.ts'
import type { ShapeDevice } from './shape-device.ts'

/** A run as far as a rehearsal looks at it. */
export type Rehearsed = Omit<Run, 'rollouts' | 'rehearse'>

/** The same run without its weights: factors that start from them have the same shapes as others. */
export function onShapes(config: FinetuneConfig): FinetuneConfig {
  return {
    ...config,
    ...(config.memory === 'auto' ? { memory: 'fast' } : {}),
    peft_init_lora_weights: true,
    peft: null,
    pagedOptimizer: false,
  }
}

/** Where a run was built, and for what. */
export interface RehearsalPlace {
  readonly device: ShapeDevice
  readonly capacity: number | undefined
  /** Of the process without tensors, asked after the step: what its code and its objects take is part of the program. */
  readonly programBytes: () => number
}

/**
 * What it takes; `config` is the run's own, before it was put on shapes. E_UNSUPPORTED where the examples of a step are made by the model, which computes
 * nothing there.
 */
export function rehearsed(
  run: Rehearsed,
  config: FinetuneConfig,
  { device, capacity, programBytes }: RehearsalPlace,
): Rehearsal {
  if (config.grpo !== null)
    throw new TrituneError(
      'E_UNSUPPORTED',
      'completions of rl: grpo cannot be estimated: the run makes them itself',
      {
        remedy: 'run it with --set max_steps=1: it tells its peak at the end',
      },
    )
  const parts = estimateMemory(run)
  const { isLean } = memoryMode(config.memory, { capacity }, sum(Object.values(parts)))
  const changed = device.kind === 'cpu' && startsFromBase(config) ? adaptedBytes(run) : 0
  const known = { parts: { ...parts, model: parts.model + changed }, isLean, changed, programBytes }
  return rehearseStep(run, device, known)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

interface Known {
  readonly programBytes: () => number
  readonly parts: MemoryParts
  readonly isLean: boolean
  /** Bytes of weights of which there is a second copy. */
  readonly changed: number
}

function rehearseStep(
  run: Rehearsed,
  device: ShapeDevice,
  { parts, isLean, changed, programBytes }: Known,
): Rehearsal {
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
  const program = (device.kind === 'cuda' ? 0 : programBytes()) + scratchBytes(run, lengths)
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

function adaptedBytes({ model }: Rehearsed): number {
  return sum(
    [...model.layers.values()].map(({ adapters, weight }) => (adapters.length === 0 ? 0 : weight.bytes)),
  )
}

/** Micro-batches differ in length. */
function longestBatch({ plan }: Rehearsed): Batch {
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
