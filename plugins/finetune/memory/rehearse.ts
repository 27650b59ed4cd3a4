/**
 * A run without its weights and without its work: everything is opened on a `shapeDevice()`, one step of the longest micro-batch runs there, and the peak is
 * what the real run takes. Of the base model only headers are read.
 */
import { type ActivationStore, type Device, empty, type StoredActivation } from '../../../core/mod.ts'
import type { Batch } from '../../data/mod.ts'
import type { FinetuneConfig } from '../config/config.ts'
import { chooseAdapter } from '../model/open-adapter.ts'
import { buildRun, openRun } from '../open-run.ts'
import type { Run } from '../run.ts'
import type { PrepareOptions } from '../run-inputs.ts'
import { trainStep } from '../training/train-step.ts'
import { estimateMemory, type MemoryParts, scratchBytes } from './estimate.ts'
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
  using run = await openRun(onShapes(config), { ...options, device, weights: 'headers' })
  onRun?.(run)
  return rehearsed(run, config, { device, capacity, programBytes: process.memoryUsage().rss })
}

/**
 * The same for a run that is open and has not begun: its files and examples are not read again. null: the run is streamed, and its examples come but
 * once; or plugins of the file have a part in it, which may look at numbers.
 */
export function rehearseOpened({ config, origin, device, data, plugins }: Run): Rehearsal | null {
  if (data.stream !== null || plugins.length > 0) return null
  const { inputs, programBytes } = origin
  const { kind, name, capacity } = device
  const shapes = shapeDevice({ kind: kind === 'cuda' ? 'cuda' : 'cpu', name })
  const shaped = onShapes(config)
  const early = {
    ...inputs.early,
    parts: { ...inputs.early.parts, strategies: () => [], monitors: () => [] },
    openAdapter: chooseAdapter(shaped, inputs.host),
    opened: { device: shapes, reason: null, note: null },
  }
  using run = buildRun(shaped, { ...origin, inputs: { ...inputs, early } }, { weights: 'headers' })
  return rehearsed(run, config, { device: shapes, capacity, programBytes })
}

// ---- helpers ----------------------------------------------------------------------------------------------------

type Opened = Omit<Run, 'rollouts'>

/** Factors that start from the weights, which are not there, have the same shapes as others. */
function onShapes(config: FinetuneConfig): FinetuneConfig {
  return {
    ...config,
    ...(config.memory === 'auto' ? { memory: 'fast' } : {}),
    peft_init_lora_weights: true,
    peft: null,
    pagedOptimizer: false,
  }
}

interface OnDevice {
  readonly device: ShapeDevice
  readonly capacity: number | undefined
  /** Of the process without tensors. */
  readonly programBytes: number
}

function rehearsed(
  run: Opened,
  config: FinetuneConfig,
  { device, capacity, programBytes }: OnDevice,
): Rehearsal {
  const parts = estimateMemory(run)
  const { isLean } = memoryMode(config.memory, { capacity }, sum(Object.values(parts)))
  const changed = device.kind === 'cpu' && startsFromBase(config) ? adaptedBytes(run) : 0
  const known = { parts: { ...parts, model: parts.model + changed }, isLean, changed, programBytes }
  return rehearseStep(run, device, known)
}

interface Known {
  readonly programBytes: number
  readonly parts: MemoryParts
  readonly isLean: boolean
  /** Bytes of weights of which there is a second copy. */
  readonly changed: number
}

function rehearseStep(
  run: Opened,
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
  const resident = device.resident() + mapped + changed
  // This process holds what the other one will, but for the tensors and the scratch of the kernels.
  const lengths = [...batch.offsets].slice(1).map((end, i) => end - batch.offsets[i])
  const program = (device.kind === 'cuda' ? 0 : programBytes) + scratchBytes(run, lengths)
  return {
    parts: { ...parts, program, activations: Math.max(0, device.resident() - state) },
    memory: program + resident,
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

function adaptedBytes({ model }: Opened): number {
  return sum(
    [...model.layers.values()].map(({ adapters, weight }) => (adapters.length === 0 ? 0 : weight.bytes)),
  )
}

/** Micro-batches differ in length. */
function longestBatch({ plan }: Opened): Batch {
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
