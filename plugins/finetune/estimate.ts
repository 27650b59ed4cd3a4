/**
 * What a run will take, before it starts: memory from the shapes, time from a short measurement of the machine.
 */
import { linear, type Model, noGrad, type Parameters, sizeOf, tensorScope, zeros } from '../../core/mod.ts'
import type { Run } from './prepare.ts'

export interface Estimate {
  /** Bytes: weights, adapter with its gradients and optimizer state, activations of one micro-batch. */
  readonly memory: number
  /** Seconds for all steps, evaluation and saving left out. */
  readonly seconds: number
}

export function estimateRun(run: Run): Estimate {
  const { model, config, parameters, plan, data, adapter } = run
  const microTokens = Math.min(
    config.micro_batch_size * longestRow(run),
    Math.max(1, data.report.train.tokens),
  )
  const epochTokens = data.report.train.tokens
  const matrices = linearParameters(model)
  // Forward and the gradient of the input always; the gradient of the weight only where it is trained.
  const flopsPerToken = 2 * matrices * (adapter ? 2 : 3) + (config.gradient_checkpointing ? 2 * matrices : 0)
  const totalTokens = (epochTokens * plan.totalSteps) / plan.stepsPerEpoch
  return {
    memory: weightBytes(model) + stateBytes(parameters) + activationBytes(run, microTokens),
    seconds: (flopsPerToken * totalTokens) / measuredFlops(run),
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function longestRow({ config, data }: Run): number {
  if (config.sample_packing) return config.sequence_len
  return data.train.reduce((longest, { ids }) => Math.max(longest, ids.length), 1)
}

function linearParameters(model: Model): number {
  let total = sizeOf(model.head.shape)
  for (const { weight } of model.layers.values()) total += sizeOf(weight.shape)
  return total
}

function weightBytes(model: Model): number {
  let total = 0
  for (const weight of model.weights.values()) total += weight.bytes
  return total
}

/** f32 gradient, two moments, and a master copy where the weight is bf16. */
function stateBytes(parameters: Parameters): number {
  let total = 0
  for (const { size, dtype } of parameters.values()) total += size * (dtype === 'f32' ? 12 : 16) + size * 4
  return total
}

/** What the tape keeps of each layer for each token: inputs of the linear layers, of the norms and of attention. */
function activationBytes({ model, config, dtype }: Run, tokens: number): number {
  const bytes = dtype === 'f32' ? 4 : 2
  let perToken = 0
  for (const { weight } of model.layers.values()) perToken += weight.shape[0] + weight.shape[1] / 2
  const layers = model.info.layerCount
  const stream = 2 * model.info.hiddenSize * layers
  const kept = config.gradient_checkpointing ? stream + perToken / layers : stream + perToken
  const logits = Math.min(tokens, 512) * model.info.vocabSize * 4
  return tokens * kept * bytes + logits
}

/** Floating-point operations a second of a linear layer of this model, measured for some milliseconds. */
function measuredFlops({ model, device }: Run): number {
  const layer = [...model.layers.values()].reduce((a, b) => (b.weight.size > a.weight.size ? b : a))
  const [outputs, inputs] = layer.weight.shape
  const rows = 256
  return noGrad(() => {
    using _scope = tensorScope()
    const x = zeros([rows, inputs], { dtype: layer.weight.dtype, device })
    const once = (): number => {
      const began = performance.now()
      linear(x, layer.weight)
      return (performance.now() - began) / 1000
    }
    once()
    const best = Math.min(once(), once(), once())
    // Attention, norms and the rest take about as long again as a third of the matrix products.
    return (2 * rows * inputs * outputs) / best / 1.35
  })
}
