/**
 * One optimizer step: forward and backward over the micro-batches of a window, then the update.
 *
 * The loss is the mean over all trained tokens of the window, whatever its split into micro-batches. Dropout is keyed
 * by (seed, step, position in the window), so the split does not change it either.
 *
 * A GPU is waited for once: the gradient norm and the losses of all micro-batches are read together, before the update.
 */
import {
  backward,
  clear,
  createReadback,
  type Device,
  type FlatGradients,
  headCrossEntropy,
  type Model,
  noGrad,
  type OptimizerStep,
  type Parameters,
  type Readback,
  type StepResult,
  tensor,
  tensorScope,
  type TransformState,
  TrituneError,
  withNoise,
} from '../../core/mod.ts'
import type { Batch } from '../data/mod.ts'
import { createBatch } from '../models/mod.ts'
import { findNonFinite } from './nonfinite.ts'

export interface TrainContext {
  readonly model: Model
  readonly device: Device
  readonly parameters: Parameters
  readonly optimizer: TransformState
  /** Where the gradients lie; without it they are made as they come. */
  readonly gradients?: FlatGradients | null
  readonly checkpointing: boolean
  readonly seed: number
}

export interface TrainStep {
  /** 0-based number of this step. */
  readonly step: number
  readonly learningRate: number
}

/** Runs a step on the micro-batches of one window. Throws E_NAN naming the first part that gave NaN or Inf. */
export function trainStep(
  context: TrainContext,
  window: readonly Batch[],
  { step, learningRate }: TrainStep,
): StepResult {
  const { optimizer } = context
  const trained = window.reduce((sum, batch) => sum + batch.trainedTokens, 0)
  if (trained === 0)
    throw new TrituneError('E_DATA', `step ${step + 1}: no token of this window is trained`, {
      remedy: 'check the masks with --dry-run',
    })
  clearGradients(context)
  using readback = createReadback()
  const losses: (() => Float32Array)[] = []
  let offset = 0
  for (const batch of window) {
    const noise = { seed: context.seed, step, offset }
    losses.push(
      withNoise(noise, () => forwardBackward(context, batch, { scale: 1 / trained, step, readback })),
    )
    offset += batch.ids.length
  }
  const update: OptimizerStep = {
    step: step + 1,
    learningRate,
    gradScale: 1,
    gradients: context.gradients?.all,
    readback,
    metrics: {},
  }
  try {
    noGrad(() => optimizer.apply(update))
    const loss = losses.reduce((sum, read) => sum + read()[0], 0)
    return { loss, metrics: update.metrics }
  } catch (error) {
    if (error instanceof TrituneError && error.code === 'E_NAN')
      throw findNonFinite(context, window, error.message)
    throw error
  }
}

/** The mean loss over the trained tokens of some batches, in nats; nothing is recorded and nothing dropped. */
export function evaluateLoss(
  { model, device }: Pick<TrainContext, 'model' | 'device'>,
  batches: Iterable<Batch>,
): { loss: number; tokens: number } {
  using readback = createReadback()
  const losses: (() => Float32Array)[] = []
  let tokens = 0
  for (const batch of batches) {
    if (batch.trainedTokens === 0) continue
    tokens += batch.trainedTokens
    noGrad(() => {
      using _scope = tensorScope()
      const hidden = model.hidden(createBatch(batch, device))
      const targets = tensor(batch.targets, { dtype: 'i32', device })
      losses.push(readback.later(headCrossEntropy(model.head, hidden, targets, { scale: 1 })))
    })
  }
  if (tokens === 0)
    throw new TrituneError('E_DATA', 'the evaluation set has no trained token', {
      remedy: 'check the masks with --dry-run',
    })
  return { loss: losses.reduce((sum, read) => sum + read()[0], 0) / tokens, tokens }
}

interface MicroStep extends Pick<TrainStep, 'step'> {
  readonly scale: number
  readonly readback: Readback
}

/** The loss, which is read later; E_NAN then when it is not finite. */
function forwardBackward(
  { model, device, checkpointing }: TrainContext,
  batch: Batch,
  { scale, step, readback }: MicroStep,
): () => Float32Array {
  using _scope = tensorScope()
  const hidden = model.hidden(createBatch(batch, device), { checkpointing })
  const loss = headCrossEntropy(model.head, hidden, tensor(batch.targets, { dtype: 'i32', device }), {
    scale,
  })
  backward(loss)
  return readback.later(loss, ([value]) => {
    if (!Number.isFinite(value)) throw new TrituneError('E_NAN', `the loss of step ${step + 1} is ${value}`)
  })
}

/** By writing, not by multiplying: what a failed step left may be NaN. */
function clearGradients({ parameters, gradients }: TrainContext): void {
  gradients?.clear()
  // A gradient transform can have put others in their place.
  for (const { grad } of parameters.values()) if (grad && grad.storage !== gradients?.all.storage) clear(grad)
}
