/**
 * One optimizer step: forward and backward over the micro-batches of a window, then the update.
 *
 * The loss is the mean over all trained tokens (or examples) of the window, whatever its split into micro-batches. Dropout is keyed
 * by (seed, step, position in the window), so the split does not change it either.
 *
 * A GPU is waited for once: the gradient norm and the losses of all micro-batches are read together, before the update.
 * A strategy that takes the step apart (`stepParts`) waits for each part.
 */
import {
  type ActivationStore,
  backward,
  clear,
  createReadback,
  type Device,
  type FlatGradients,
  inPlugin,
  type Model,
  noGrad,
  type NoiseStream,
  type Objective,
  type ObjectiveOptions,
  type ObjectiveResult,
  type OptimizerStep,
  type Parameters,
  type Readback,
  type StepContext,
  type StepResult,
  tensorScope,
  type TransformState,
  TrituneError,
  type UpdateCheck,
  withLeanMemory,
  withNoise,
  withOffload,
  type World,
} from '../../../core/mod.ts'
import { gradientNorm } from '../../../core/optim/clip.ts'
import type { Batch } from '../../data/mod.ts'
import type { DividedOptimizer } from '../parallel/divided-optimizer.ts'
import { isNaNElsewhere } from '../parallel/nan-of-all.ts'
import { hasEqualShare, isOwn, shareGradients, shareNumbers } from '../parallel/share-gradients.ts'
import type { ShardedBase } from '../parallel/sharded-base.ts'
import { crossEntropyObjective } from './cross-entropy.ts'
import { type EmbeddingNoise, withEmbeddingNoise } from './embedding-noise.ts'
import { evaluateEach } from './evaluate-each.ts'
import { evaluateLoss } from './evaluate.ts'
import { findNonFinite, stoppedByNaN } from './nonfinite.ts'
import { objectiveBatch } from './objective-batch.ts'

/** What `trainStep()` trains, and with what; the same for all steps of a run. */
export interface TrainContext {
  readonly model: Model
  readonly device: Device
  readonly parameters: Parameters
  readonly optimizer: TransformState
  /** Default: linear cross-entropy. */
  readonly objective?: Objective
  /** Where the gradients lie; without it they are made as they come. */
  readonly gradients?: FlatGradients | null
  readonly checkpointing: boolean
  /** Outputs of norms and gates are made again in the backward pass instead of kept: the same bits, less memory. */
  readonly leanMemory?: boolean
  /** With `checkpointing`: where inputs of blocks wait for the backward pass; default: on the device. */
  readonly activations?: ActivationStore | null
  /** Noise on the embeddings of training passes. */
  readonly embeddingNoise?: EmbeddingNoise | null
  readonly seed: number
  /** The processes that share the micro-batches of a window; default: this one alone. */
  readonly world?: World | null
  /** With `zero_stage: 1`: how gradients are shared and measured. */
  readonly divided?: Pick<DividedOptimizer, 'shareGradients' | 'sumSquares'> | null
  /** With `shard_base`: for the passes that all processes make together. */
  readonly sharded?: Pick<ShardedBase, 'together'> | null
}

/** Which step `trainStep()` makes, and at which rate. */
export interface TrainStep {
  /** 0-based number of this step. */
  readonly step: number
  readonly learningRate: number
  /** Asked before weights and moments are changed. */
  readonly checks?: readonly UpdateCheck[]
}

/**
 * Runs a step on the micro-batches of one window. Throws E_NAN naming the first part that gave NaN or Inf.
 *
 * @example
 * ```ts
 * import { adamw } from 'tritune/core'
 * import { openCpu } from 'tritune/plugins/cpu'
 * import { concatenate } from 'tritune/plugins/data'
 * import { trainStep } from 'tritune/plugins/finetune'
 * import { loadModel } from 'tritune/plugins/models'
 * import { attachLora } from 'tritune/plugins/peft'
 *
 * const device = openCpu()
 * using model = loadModel('my-model', { device })
 * using adapter = attachLora(model, { targetModules: 'all-linear' })
 * const { parameters } = adapter
 * using optimizer = adamw().init(parameters)
 * const ids = Int32Array.of(1, 5, 9, 2)
 * const batch = concatenate([{ ids, labels: ids, source: { file: 'here', line: 1 } }])
 * const context = { model, device, parameters, optimizer, checkpointing: false, seed: 0 }
 * const losses = [0, 1, 2].map((step) => trainStep(context, [batch], { step, learningRate: 1e-2 }).loss)
 * console.log(losses[2] < losses[0]) // → true
 * ```
 */
export function trainStep(context: TrainContext, window: readonly Batch[], at: TrainStep): StepResult {
  using readback = createReadback()
  return locatingNaN(context, window, () => {
    const pending = windowGradients(context, window, at, readback)
    const metrics = checkedUpdate(context, at, pending.loss, readback)
    return { loss: pending.loss(), metrics: { ...metrics, ...pending.log() } }
  })
}

/** The parts of one step, as a strategy is given them; where `next()` is `trainStep()` both have the same `checks`. */
export function stepParts(
  context: TrainContext,
  window: readonly Batch[],
  at: TrainStep & { readonly checks?: UpdateCheck[] },
  totalSteps: number,
): StepContext {
  const checks = at.checks ?? []
  let found = { loss: Number.NaN, log: {} }
  return {
    step: at.step,
    learningRate: at.learningRate,
    totalSteps,
    model: context.model,
    parameters: context.parameters,
    evaluate: () => evaluateLoss(context, window).loss,
    evaluateEach: () => evaluateEach(context, window),
    backward: () =>
      locatingNaN(context, window, () => {
        using readback = createReadback()
        const pending = windowGradients(context, window, at, readback)
        found = { loss: pending.loss(), log: pending.log() }
        return found.loss
      }),
    update: () =>
      locatingNaN(context, window, () => {
        const metrics = checkedUpdate(context, { ...at, checks }, () => found.loss)
        return { ...metrics, ...found.log }
      }),
    beforeUpdate: (check) => void checks.push(check),
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

interface PendingLoss {
  loss(): number
  log(): Record<string, number>
}

/** Clears the gradients, then forward and backward of each micro-batch; the numbers are read later. */
function windowGradients(
  context: TrainContext,
  window: readonly Batch[],
  { step }: TrainStep,
  readback: Readback,
): PendingLoss {
  const trained = window.reduce((sum, batch) => sum + batch.trainedTokens, 0)
  const examples = window.flatMap((batch) => batch.examples)
  if (trained === 0)
    throw new TrituneError('E_DATA', `step ${step + 1}: no token of this window is trained`, {
      remedy: 'check the masks with --dry-run',
    })
  clearGradients(context)
  const { world = null, sharded = null } = context
  const losses: (() => number)[] = []
  const logs: [string, () => number][] = []
  const work = (): void => {
    let offset = 0
    for (const [i, batch] of window.entries()) {
      const noise = { seed: context.seed, step, offset }
      const pass = (): void => {
        using _scope = tensorScope()
        const scale = 1 / (context.objective?.averagedOver === 'examples' ? examples.length : trained)
        const { loss, log = {} } = forward(context, batch, { scale, window: examples })
        backward(loss)
        losses.push(readLater(readback, loss, `the loss of step ${step + 1}`))
        for (const [name, value] of Object.entries(log)) logs.push([name, readLater(readback, value)])
      }
      if (isOwn(world, i)) passing(batch, noise, pass)
      offset += batch.ids.length
    }
    // Who has fewer micro-batches comes to the weights as often as the others.
    if (sharded !== null && !hasEqualShare(world, window.length)) {
      const [batch] = window
      passing(batch, { seed: context.seed, step, offset: 0 }, () => {
        using _scope = tensorScope()
        backward(forward(context, batch, { scale: 0, window: examples }).loss)
      })
    }
  }
  const passing = (batch: Batch, noise: NoiseStream, pass: () => void): void => {
    const noisy = (): void => withEmbeddingNoise(context.embeddingNoise, context.model, batch, pass)
    const offloading = (): void => withOffload(context.activations ?? null, noisy)
    withNoise(noise, () => withLeanMemory(context.leanMemory === true, offloading))
  }
  const pending: PendingLoss = {
    loss: () => losses.reduce((sum, read) => sum + read(), 0),
    log() {
      const sums: Record<string, number> = {}
      for (const [name, read] of logs) sums[name] = (sums[name] ?? 0) + read()
      return sums
    },
  }
  if (world !== null && sharded !== null) {
    // What fails within is told by this process alone, and ends all: the others wait for weights then, and not for news.
    sharded.together(work)
    return shared(world, context, () => pending)
  }
  if (world !== null)
    return shared(world, context, () => {
      work()
      return pending
    })
  work()
  return pending
}

/** Reads the numbers at once: whether all processes came through the window is known before any of them goes on. */
function shared(
  world: World,
  { parameters, gradients = null, divided = null }: TrainContext,
  work: () => PendingLoss,
): PendingLoss {
  const { loss, log } = shareNumbers(world, () => {
    const pending = work()
    return { loss: pending.loss(), log: pending.log() }
  })
  if (!divided?.shareGradients(gradients)) shareGradients(world, parameters, gradients)
  return { loss: () => loss, log: () => ({ ...log }) }
}

function forward(
  { model, device, checkpointing, objective = crossEntropyObjective }: TrainContext,
  batch: Batch,
  over: Pick<ObjectiveOptions, 'scale' | 'window'>,
): ObjectiveResult {
  const options = { ...over, checkpointing, training: true }
  const what = `the objective ${objective.name}`
  const result = inPlugin(what, () => objective.loss(model, objectiveBatch(batch, device), options))
  for (const [name, value] of Object.entries({ loss: result.loss, ...result.log }))
    if (value?.size !== 1)
      throw new TrituneError('E_PLUGIN', `${what} gave ${String(value)} as ${name}, expected one number`)
  return result
}

/** E_NAN, when it is read, if `what` is given and the value is not finite. */
function readLater(readback: Readback, value: ObjectiveResult['loss'], what?: string): () => number {
  const read = readback.later(value, ([number]) => {
    if (what !== undefined && !Number.isFinite(number))
      throw new TrituneError('E_NAN', `${what} is ${number}`)
  })
  return () => read()[0]
}

function checkedUpdate(
  context: TrainContext,
  { checks = [], ...at }: TrainStep,
  loss: () => number,
  readback?: Readback,
): Record<string, number> {
  if (checks.length === 0) return applyUpdate(context, at, readback)
  const { parameters, gradients = null, divided = null } = context
  const gradNorm = divided?.sumSquares
    ? Math.sqrt(divided.sumSquares(gradients))
    : gradientNorm(parameters, gradients?.all)
  const found = { loss: loss(), gradNorm }
  // A norm that is not finite is an error of the update.
  if (!Number.isFinite(found.gradNorm)) return applyUpdate(context, at, readback)
  const factor = checks.reduce((product, check) => product * check(found), 1)
  if (factor === 0) return { grad_norm: found.gradNorm }
  return applyUpdate(context, { ...at, learningRate: factor * at.learningRate }, readback)
}

function applyUpdate(
  { optimizer, gradients, divided }: TrainContext,
  { step, learningRate }: TrainStep,
  readback?: Readback,
): Record<string, number> {
  const update: OptimizerStep = {
    step: step + 1,
    learningRate,
    gradScale: 1,
    gradients: gradients?.all,
    ...(divided?.sumSquares && { sumSquares: () => divided.sumSquares?.(gradients ?? null) ?? Number.NaN }),
    readback,
    metrics: {},
  }
  noGrad(() => optimizer.apply(update))
  return update.metrics
}

function locatingNaN<T>(context: TrainContext, window: readonly Batch[], work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (error instanceof TrituneError && error.code === 'E_NAN' && !isNaNElsewhere(error))
      // Where it came from is found by a pass, which one process cannot make alone.
      throw context.sharded ? stoppedByNaN(error.message) : findNonFinite(context, window, error.message)
    throw error
  }
}

/** By writing, not by multiplying: what a failed step left may be NaN. */
function clearGradients({ parameters, gradients }: TrainContext): void {
  gradients?.clear()
  // A gradient transform can have put others in their place.
  for (const { grad } of parameters.values()) if (grad && grad.storage !== gradients?.all.storage) clear(grad)
}
