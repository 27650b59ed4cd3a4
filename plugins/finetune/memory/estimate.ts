/**
 * What a run will take, before it starts: memory from the shapes, time from a short measurement of the machine.
 */
import { lengthOf } from '../../data/mod.ts'
import {
  baseForward,
  type Device,
  isQuantized,
  type Layer,
  linear,
  type Model,
  noGrad,
  type Tensor,
  tensorScope,
  zeros,
} from '../../../core/mod.ts'
import { rerunBlocks } from '../../models/mod.ts'
import { expertShares } from '../model/active-weights.ts'
import type { MemoryParts } from './memory-parts.ts'
import type { Run } from '../run.ts'

/** What a run will take: bytes, and seconds. */
export interface Estimate {
  /** Bytes of all that is below. */
  readonly memory: number
  readonly parts: MemoryParts
  /** Seconds for all steps, evaluation and saving left out. */
  readonly seconds: number
}

/** What the memory of a run depends on. */
export type Estimated = Pick<
  Run,
  | 'config'
  | 'model'
  | 'data'
  | 'device'
  | 'dtype'
  | 'parameters'
  | 'adapter'
  | 'optimizer'
  | 'paged'
  | 'sharded'
  | 'strategies'
  | 'memory'
>

/** Bytes that a run will hold at its highest, by what they are for, computed from shapes. Nothing is allocated. */
export function estimateMemory(run: Estimated): MemoryParts {
  const { model, parameters, adapter, sharded } = run
  const microTokens = microTokensOf(run)
  const trained = [...parameters.values()]
  return {
    program: programBytes(run, microTokens),
    model:
      sum([...model.weights.values(), ...packedWeights(model)].map(({ bytes }) => bytes)) +
      savedBySharding(sharded),
    adapter: adapter ? sum(trained.map(({ bytes }) => bytes)) : 0,
    gradients: sum(trained.map(({ size }) => 4 * size)),
    optimizer: stateBytes(run),
    strategies: strategyBytes(run),
    activations: activationBytes(run, microTokens),
  }
}

/**
 * Memory from the shapes, and time from a matrix product that is measured on the run's device.
 *
 * @example
 * ```ts
 * import { readFileSync } from 'node:fs'
 * import { estimateRun, formatBytes, prepareRun, readFinetuneConfig } from 'tritune/plugins/finetune'
 *
 * using run = await prepareRun(readFinetuneConfig(readFileSync('my.yaml', 'utf8'), 'my.yaml'))
 * const { memory, parts } = estimateRun(run)
 * console.log(formatBytes(memory), parts.model > 0)
 * ```
 */
export function estimateRun(run: Run): Estimate {
  const parts = estimateMemory(run)
  return {
    memory: sum(Object.values(parts)),
    parts,
    seconds: secondsOf(run, measuredFlops(run, microTokensOf(run)), run.world?.size),
  }
}

/** Seconds for all steps of a run where each of its processes makes so many operations a second; what they tell each other is not counted. */
export function secondsOf(
  { model, config, plan, data, adapter }: Pick<Run, 'model' | 'config' | 'plan' | 'data' | 'adapter'>,
  flops: number,
  processes = 1,
): number {
  const epochTokens = data.report.train.tokens
  const matrices = linearParameters(model)
  // Forward and the gradient of the input always; the gradient of the weight only where it is trained.
  const flopsPerToken = 2 * matrices * (adapter ? 2 : 3) + (config.gradient_checkpointing ? 2 * matrices : 0)
  if (config.grpo) {
    // At most: every completion as long as it may be. Making one takes a forward pass of it.
    const each = epochTokens / data.report.train.examples + config.grpo.max_completion_length
    const completions = config.micro_batch_size * config.gradient_accumulation_steps * plan.totalSteps
    return ((flopsPerToken + 2 * matrices) * completions * each) / flops
  }
  const totalTokens = (epochTokens * plan.totalSteps) / plan.stepsPerEpoch
  return (flopsPerToken * totalTokens) / (flops * processes)
}

/** What a device reaches on the largest product of this model, which may be of another device; with plain weights. */
export function flopsOn(
  device: Device,
  { model, dtype }: Pick<Run, 'model' | 'dtype'>,
  tokens: number,
): number {
  const { inputs, outputs } = largestLayer(model)
  return noGrad(() => {
    using _scope = tensorScope()
    const weight = zeros([outputs, inputs], { dtype, device })
    return measured(device, { inputs, outputs, dtype, tokens }, (x) => void linear(x, weight))
  })
}

/** Bytes of activations that wait outside of the device at most, with `activation_offloading`: the stream before each block. */
export function offloadedBytes(run: Pick<Run, 'config' | 'data' | 'model' | 'dtype'>): number {
  const { hiddenSize, layerCount } = run.model.info
  // There is one stream before the first block, and two before the others.
  return microTokensOf(run) * hiddenSize * (2 * layerCount - 1) * bytesOf(run.dtype)
}

/** Bytes that a process holds more than the whole base: below 0, unless the base is small. */
export function savedBySharding(sharded: Run['sharded']): number {
  return sharded ? sharded.resident - sharded.whole : 0
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** What an optimizer saves can be the weights themselves. */
function stateBytes({
  optimizer,
  parameters,
  paged,
}: Pick<Run, 'optimizer' | 'parameters' | 'paged'>): number {
  const weights = new Set([...parameters.values()].map(({ storage }) => storage))
  const all = sum(
    [...optimizer.tensors().values()].map(({ storage, bytes }) => (weights.has(storage) ? 0 : bytes)),
  )
  return paged ? Math.max(0, all - paged.bytes) + paged.resident : all
}

/** What a strategy saves, and what it says that it takes beside. */
function strategyBytes({ strategies, device }: Pick<Run, 'strategies' | 'device'>): number {
  if (device.kind === 'cuda') return 0
  return sum(
    strategies.map(
      ({ part }) =>
        (part.scratchBytes ?? 0) +
        sum([...(part.tensors?.() ?? new Map()).values()].map(({ bytes }) => bytes)),
    ),
  )
}

function microTokensOf(run: Pick<Run, 'config' | 'data'>): number {
  const { config, data } = run
  const longest = config.micro_batch_size * longestRow(run)
  return config.grpo ? longest : Math.min(longest, Math.max(1, data.report.train.tokens))
}

function longestRow({ config, data }: Pick<Run, 'config' | 'data'>): number {
  if (config.sample_packing && !config.grpo) return config.sequence_len
  const longest = data.train.reduce((most, example) => Math.max(most, lengthOf(example)), 1)
  return longest + (config.grpo?.max_completion_length ?? 0)
}

function linearParameters(model: Model): number {
  const shares = expertShares(model)
  return sum(
    [model.head, ...linearLayers(model)].map(
      ({ path, inputs, outputs }) => (shares.get(path) ?? 1) * inputs * outputs,
    ),
  )
}

function linearLayers({ layers }: Model): Layer[] {
  return [...layers.values()].filter(({ kind }) => kind === 'linear')
}

function packedWeights({ layers }: Model): { readonly bytes: number }[] {
  return [...layers.values()].map(({ weight }) => weight).filter(isQuantized)
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0)
}

/** Of Bun with a model's tokenizer and data that fit easily: 142 to 160 MiB measured on Linux, whatever the model is. */
const PROGRAM = 150 * 2 ** 20

/** Exponentials of the logits that the CPU's cross-entropy keeps at once (LOGITS_LIMIT of native/cpu), and the GPU's. */
const CPU_LOGITS = 80 * 2 ** 20
const GPU_LOGIT_ROWS = 512

/** The most of the packed operands of the head's product in the CPU's cross-entropy, and what other kernels keep. */
const PACKED_HEAD = 48 * 2 ** 20
const OTHER_SCRATCH = 6 * 2 ** 20

/** What the kernels of a device keep for themselves in a step on documents of these lengths. */
export function scratchBytes(
  { model, dtype, device }: Pick<Estimated, 'model' | 'dtype' | 'device'>,
  lengths: readonly number[],
): number {
  const { vocabSize, hiddenSize } = model.info
  const tokens = sum(lengths)
  if (device.kind === 'cuda') return Math.min(tokens, GPU_LOGIT_ROWS) * vocabSize * 4
  const bytes = bytesOf(dtype)
  const logits = Math.min(CPU_LOGITS, tokens * vocabSize * bytes)
  return (
    logits +
    Math.min(PACKED_HEAD, vocabSize * hiddenSize * bytes) +
    sum(lengths.map((length) => attentionBytes(model, length))) +
    OTHER_SCRATCH
  )
}

/** Tasks that the CPU makes of the keys of a document, and the fewest keys of one. */
const MOST_PARTS = 8
const LEAST_KEYS = 256

/** Each task adds up gradients of the queries that see its keys: of the first all of them, of the last few. */
function attentionBytes({ info: { config, hiddenSize, headSize } }: Model, length: number): number {
  const heads = Number(config['num_attention_heads'] ?? hiddenSize / headSize)
  const parts = Math.ceil(length / Math.max(LEAST_KEYS, Math.ceil(length / MOST_PARTS)))
  return ((heads * headSize * 4 * (parts + 1)) / 2) * length
}

/** Bytes of the process beside its tensors; 0 where the device has memory of its own. */
function programBytes(
  { model, device, dtype }: Pick<Estimated, 'model' | 'device' | 'dtype'>,
  tokens: number,
): number {
  if (device.kind === 'cuda') return 0
  return PROGRAM + Math.min(CPU_LOGITS, tokens * model.info.vocabSize * bytesOf(dtype))
}

/**
 * What the tape keeps at most, for each token: of every block the stream before and after it; outputs of its linear
 * layers; with fast memory also their inputs, which two of them share. Blocks that run again keep the stream alone, and
 * one of them at a time all of it and its gradients.
 */
function activationBytes(
  { model, config, device, dtype, memory, adapter }: Estimated,
  tokens: number,
): number {
  const { hiddenSize, layerCount, vocabSize } = model.info
  const layers = linearLayers(model)
  const shares = expertShares(model)
  const outputs = sum(layers.map((layer) => (shares.get(layer.path) ?? 1) * layer.outputs)) / layerCount
  const inputs = sum(layers.map((layer) => (shares.get(layer.path) ?? 1) * layer.inputs)) / layerCount / 2
  const again = config.gradient_checkpointing ? layerCount : memory.isLean ? rerunBlocks(layerCount) : 0
  const kept = (layerCount - again) * (outputs + (memory.isLean ? 0 : inputs))
  const rerun = again === layerCount ? 2 * (outputs + inputs) : 0
  // Into and out of the head, and their gradients.
  const ends = 4 * hiddenSize
  // Elsewhere, it is back for the block that runs again.
  const stream = 2 * hiddenSize * (config.activation_offloading === false ? layerCount : 1)
  // Made apart before it is added to that of a tied embedding.
  const headGradient = adapter ? 0 : 4 * model.head.inputs * model.head.outputs
  const logits = device.kind === 'cuda' ? Math.min(tokens, GPU_LOGIT_ROWS) * vocabSize * 4 : 0
  return tokens * (stream + kept + rerun + ends) * bytesOf(dtype) + logits + headGradient
}

function bytesOf(dtype: Run['dtype']): number {
  return dtype === 'f32' ? 4 : 2
}

const LEAST_RUNS = 3
const MEASURED_MS = 50

/** Floating-point operations a second of a linear layer of this model, measured for some milliseconds. */
function measuredFlops({ model, device, dtype, sharded }: Run, microTokens: number): number {
  // One process may not read a weight of its own accord.
  if (sharded) return flopsOn(device, { model, dtype }, microTokens)
  const layer = largestLayer(model)
  const { inputs, outputs } = layer
  return noGrad(() => {
    using _scope = tensorScope()
    const shape = { inputs, outputs, dtype, tokens: microTokens }
    return measured(device, shape, (x) => void baseForward(layer, x))
  })
}

function largestLayer(model: Model): Layer {
  return linearLayers(model).reduce((a, b) => (b.inputs * b.outputs > a.inputs * a.outputs ? b : a))
}

interface Product extends Pick<Run, 'dtype'> {
  readonly inputs: number
  readonly outputs: number
  readonly tokens: number
}

function measured(
  device: Device,
  { inputs, outputs, dtype, tokens }: Product,
  multiply: (x: Tensor) => void,
): number {
  // A GPU is not filled by few rows; a CPU should not be kept busy for long.
  const rows = device.kind === 'cuda' ? Math.min(4096, Math.max(256, tokens)) : 256
  const x = zeros([rows, inputs], { dtype, device })
  const once = (): number => {
    device.synchronize?.()
    const began = performance.now()
    multiply(x)
    device.synchronize?.()
    return (performance.now() - began) / 1000
  }
  once()
  const began = performance.now()
  let best = Infinity
  // Others use the machine too, and what wakes up is slow at first.
  for (let runs = 0; runs < LEAST_RUNS || performance.now() - began < MEASURED_MS; runs++)
    best = Math.min(best, once())
  // Attention, norms and the rest take about as long again as a third of the matrix products.
  return (2 * rows * inputs * outputs) / best / 1.35
}
