/**
 * One optimizer step: forward and backward over the micro-batches of a window, then the update.
 *
 * The loss is the mean over all trained tokens of the window, whatever its split into micro-batches. Dropout is keyed
 * by (seed, step, position in the window), so the split does not change it either.
 */
import {
  backward,
  type Device,
  linearCrossEntropy,
  type Model,
  noGrad,
  type OptimizerStep,
  type Parameters,
  scaleInPlace,
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
  const { parameters, optimizer } = context
  const trained = window.reduce((sum, batch) => sum + batch.trainedTokens, 0)
  if (trained === 0)
    throw new TrituneError('E_DATA', `step ${step + 1}: no token of this window is trained`, {
      remedy: 'check the masks with --dry-run',
    })
  clearGradients(parameters)
  let loss = 0
  let offset = 0
  for (const batch of window) {
    loss += withNoise({ seed: context.seed, step, offset }, () =>
      forwardBackward(context, batch, 1 / trained),
    )
    offset += batch.ids.length
  }
  if (!Number.isFinite(loss)) throw findNonFinite(context, window, `the loss of step ${step + 1} is ${loss}`)
  const update: OptimizerStep = { step: step + 1, learningRate, gradScale: 1, metrics: {} }
  try {
    noGrad(() => optimizer.apply(update))
  } catch (error) {
    if (error instanceof TrituneError && error.code === 'E_NAN')
      throw findNonFinite(context, window, error.message)
    throw error
  }
  return { loss, metrics: update.metrics }
}

/** The mean loss over the trained tokens of some batches, in nats; nothing is recorded and nothing dropped. */
export function evaluateLoss(
  { model, device }: Pick<TrainContext, 'model' | 'device'>,
  batches: Iterable<Batch>,
): { loss: number; tokens: number } {
  let sum = 0
  let tokens = 0
  for (const batch of batches) {
    if (batch.trainedTokens === 0) continue
    tokens += batch.trainedTokens
    sum += noGrad(() => {
      using _scope = tensorScope()
      const hidden = model.hidden(createBatch(batch, device))
      return linearCrossEntropy(hidden, model.head, tensor(batch.targets, { dtype: 'i32', device }), {
        scale: 1,
      }).item()
    })
  }
  if (tokens === 0)
    throw new TrituneError('E_DATA', 'the evaluation set has no trained token', {
      remedy: 'check the masks with --dry-run',
    })
  return { loss: sum / tokens, tokens }
}

function forwardBackward(
  { model, device, checkpointing }: TrainContext,
  batch: Batch,
  scale: number,
): number {
  using _scope = tensorScope()
  const hidden = model.hidden(createBatch(batch, device), { checkpointing })
  const loss = linearCrossEntropy(hidden, model.head, tensor(batch.targets, { dtype: 'i32', device }), {
    scale,
  })
  const value = loss.item()
  if (Number.isFinite(value)) backward(loss)
  return value
}

function clearGradients(parameters: Parameters): void {
  for (const { grad } of parameters.values()) if (grad) scaleInPlace(grad, 0)
}
