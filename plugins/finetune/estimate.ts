/**
 * What a run will take, before it starts: memory from the shapes, time from a short measurement of the machine.
 */
import {
  baseForward,
  isQuantized,
  type Layer,
  type Model,
  noGrad,
  tensorScope,
  zeros,
} from '../../core/mod.ts'
import type { Run } from './run.ts'

/** What a run will take: bytes, and seconds. */
export interface Estimate {
  /** Bytes of all that is below. */
  readonly memory: number
  readonly parts: MemoryParts
  /** Seconds for all steps, evaluation and saving left out. */
  readonly seconds: number
}

/** Bytes on the device, by what they are for. */
export interface MemoryParts {
  /** The base model. */
  readonly model: number
  /** Weights of the adapter; 0 when the model itself is trained. */
  readonly adapter: number
  /** f32 gradients of what is trained. */
  readonly gradients: number
  /** Moments, and master copies of bf16 weights. */
  readonly optimizer: number
  /** Of one micro-batch. */
  readonly activations: number
}

/** From shapes alone; nothing runs. */
/** What the memory of a run depends on. */
export type Estimated = Pick<
  Run,
  'config' | 'model' | 'data' | 'dtype' | 'parameters' | 'adapter' | 'optimizer' | 'memory'
>

/** Bytes that a run will hold at its highest, by what they are for, computed from shapes. Nothing is allocated. */
export function estimateMemory(run: Estimated): MemoryParts {
  const { model, parameters, adapter } = run
  const microTokens = microTokensOf(run)
  const trained = [...parameters.values()]
  return {
    model: sum([...model.weights.values(), ...packedWeights(model)].map(({ bytes }) => bytes)),
    adapter: adapter ? sum(trained.map(({ bytes }) => bytes)) : 0,
    gradients: sum(trained.map(({ size }) => 4 * size)),
    optimizer: sum([...run.optimizer.tensors().values()].map(({ bytes }) => bytes)),
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
  const { model, config, plan, data, adapter } = run
  const parts = estimateMemory(run)
  const epochTokens = data.report.train.tokens
  const matrices = linearParameters(model)
  // Forward and the gradient of the input always; the gradient of the weight only where it is trained.
  const flopsPerToken = 2 * matrices * (adapter ? 2 : 3) + (config.gradient_checkpointing ? 2 * matrices : 0)
  const totalTokens = (epochTokens * plan.totalSteps) / plan.stepsPerEpoch
  return {
    memory: sum(Object.values(parts)),
    parts,
    seconds: (flopsPerToken * totalTokens) / measuredFlops(run, microTokensOf(run)),
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function microTokensOf(run: Pick<Run, 'config' | 'data'>): number {
  const { config, data } = run
  return Math.min(config.micro_batch_size * longestRow(run), Math.max(1, data.report.train.tokens))
}

function longestRow({ config, data }: Pick<Run, 'config' | 'data'>): number {
  if (config.sample_packing) return config.sequence_len
  return data.train.reduce((longest, { ids }) => Math.max(longest, ids.length), 1)
}

function linearParameters(model: Model): number {
  return sum([model.head, ...linearLayers(model)].map(({ inputs, outputs }) => inputs * outputs))
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

/** What the tape keeps of each layer for each token: inputs of the linear layers, of the norms and of attention. */
function activationBytes({ model, config, dtype, memory }: Estimated, tokens: number): number {
  const bytes = dtype === 'f32' ? 4 : 2
  let perToken = 0
  // Layers share inputs; with lean memory most of them are made again.
  const share = memory.isLean ? 8 : 2
  for (const { inputs, outputs } of linearLayers(model)) perToken += outputs + inputs / share
  const layers = model.info.layerCount
  const stream = 2 * model.info.hiddenSize * layers
  // An eighth of the blocks runs again with lean memory.
  const kept = config.gradient_checkpointing
    ? stream + perToken / layers
    : stream + perToken * (memory.isLean ? 7 / 8 : 1)
  const logits = Math.min(tokens, 512) * model.info.vocabSize * 4
  return tokens * kept * bytes + logits
}

/** Floating-point operations a second of a linear layer of this model, measured for some milliseconds. */
function measuredFlops({ model, device, dtype }: Run, microTokens: number): number {
  const layer = linearLayers(model).reduce((a, b) => (b.inputs * b.outputs > a.inputs * a.outputs ? b : a))
  const { inputs, outputs } = layer
  // A GPU is not filled by few rows; a CPU should not be kept busy for long.
  const rows = device.kind === 'cuda' ? Math.min(4096, Math.max(256, microTokens)) : 256
  return noGrad(() => {
    using _scope = tensorScope()
    const x = zeros([rows, inputs], { dtype, device })
    const once = (): number => {
      device.synchronize?.()
      const began = performance.now()
      baseForward(layer, x)
      device.synchronize?.()
      return (performance.now() - began) / 1000
    }
    once()
    const best = Math.min(once(), once(), once())
    // Attention, norms and the rest take about as long again as a third of the matrix products.
    return (2 * rows * inputs * outputs) / best / 1.35
  })
}
