/**
 * The training loop: steps, evaluations, checkpoints, stopping; resumable at any checkpoint to the same bits.
 */
import { existsSync } from 'node:fs'
import { basename, join } from 'node:path'
import { removeStaleIn } from '../../core/files/files.ts'
import { referenceFallbacks, TrituneError } from '../../core/mod.ts'
import { createBatches } from '../data/mod.ts'
import { markFinished, unmarkFinished } from './earlier-run.ts'
import type { RunEvent, RunResult, StepReport } from './events.ts'
import { openMetricsFile } from './metrics-file.ts'
import { explainOutOfMemory } from './out-of-memory.ts'
import { lockOutputDir } from './output-dir.ts'
import type { Run } from './prepare.ts'
import { saveOutput, trainedWeightsFile, weightsPrefix } from './save-output.ts'
import { evaluateLoss, type TrainContext, trainStep } from './train-step.ts'
import {
  type BestEvaluation,
  listCheckpoints,
  loadTrainingState,
  pruneCheckpoints,
  readTrainingState,
  saveTrainingState,
  settingsOf,
} from './training-state.ts'

export interface TrainOptions {
  onEvent?(event: RunEvent): void
  /** Asks for a clean stop after the current step. */
  readonly signal?: AbortSignal
  readonly resume?: Resume
  /** From `lockOutputDir()`, where the caller took it before; else it is taken for the time of the training. */
  readonly lock?: Disposable
}

/** Where to start: fresh, at the newest checkpoint of output_dir (E_RESUME when there is none, or fresh), or at this one. */
export type Resume = false | 'newest' | 'newest-if-any' | { readonly folder: string }

/** Trains a prepared run to its end. Throws E_NAN, E_MEMORY, E_DISK, E_RESUME…; checkpoints already written stay intact. */
export async function train(run: Run, options: TrainOptions = {}): Promise<RunResult> {
  let done = 0
  using _lock = options.lock ? null : await lockOutputDir(run.config.output_dir)
  try {
    return await trainSteps(run, options, (step) => (done = step))
  } catch (error) {
    throw explainOutOfMemory(error, run, done === 0 ? 'in the first step' : `after step ${done}`)
  }
}

async function trainSteps(
  run: Run,
  { onEvent = () => {}, signal, resume = false }: TrainOptions,
  onStep: (step: number) => void,
): Promise<RunResult> {
  const { config, plan, optimizer } = run
  const outputDir = config.output_dir
  const settings = settingsOf(config, run.data)
  const start = restore(run, resume, settings, onEvent)
  if (existsSync(outputDir)) removeStaleIn(outputDir)
  unmarkFinished(outputDir)
  const metrics = openMetricsFile(join(outputDir, 'metrics.jsonl'), { keepSteps: start.step })
  const watchdog = createWatchdog(config.loss_watchdog_threshold, config.loss_watchdog_patience)
  const context = { ...run, checkpointing: config.gradient_checkpointing, seed: config.seed }
  let { best, stale } = start
  let step = start.step
  let loss = Number.NaN
  let checkpoint: string | null = null

  const save = (): string => {
    const folder = join(outputDir, `checkpoint-${step}`)
    saveTrainingState({
      folder,
      state: { format: 1, step, best, stale, settings },
      optimizer: optimizer.tensors(),
      saveWeights: (temporary) => saveOutput(run, temporary),
    })
    pruneCheckpoints(
      outputDir,
      config.save_total_limit,
      config.load_best_model_at_end ? (best?.step ?? null) : null,
    )
    onEvent({ type: 'save', step, folder })
    checkpoint = folder
    return folder
  }

  /** Returns true when training should stop early. */
  const evaluate = (): boolean => {
    if (run.data.validation.length === 0) return false
    const { loss: evalLoss, tokens } = evaluateLoss(context, validationBatches(run))
    const improved = best === null || evalLoss < best.loss
    best = improved ? { loss: evalLoss, step } : best
    stale = improved ? 0 : stale + 1
    metrics.append({ step, eval_loss: evalLoss, eval_perplexity: Math.exp(evalLoss) })
    onEvent({ type: 'eval', step, loss: evalLoss, perplexity: Math.exp(evalLoss), tokens, best: improved })
    return config.early_stopping_patience !== null && stale >= config.early_stopping_patience
  }

  let stopped = false
  while (step < plan.totalSteps) {
    const report = oneStep(run, context, step)
    step = report.step
    loss = report.loss
    onStep(step)
    metrics.append(metricsLine(report))
    onEvent({ type: 'step', report })
    if (step === start.step + 1) noteFallbacks(onEvent)
    watchdog(report)
    const last = step === plan.totalSteps
    const evaluated = plan.evalEvery !== null && (step % plan.evalEvery === 0 || last)
    const enough = evaluated && evaluate()
    const due = plan.saveEvery !== null && step % plan.saveEvery === 0
    const bestNow = evaluated && config.load_best_model_at_end && best?.step === step
    if (due || bestNow) save()
    // Lets signals and timers in; nothing of the tape is alive here.
    await new Promise((resolve) => setImmediate(resolve))
    if (signal?.aborted && !last) {
      if (!due && !bestNow) save()
      stopped = true
      break
    }
    if (enough) {
      onEvent({ type: 'note', text: `stopped early: no better evaluation for ${stale} times` })
      break
    }
  }
  if (!stopped) {
    if (config.load_best_model_at_end && best && best.step !== step) reloadBest(run, best, onEvent)
    saveOutput(run, outputDir)
    markFinished(outputDir, { steps: step })
  }
  return { steps: step, stopped, loss, best, outputDir, checkpoint }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

interface Start {
  readonly step: number
  readonly best: BestEvaluation | null
  readonly stale: number
}

function restore(
  run: Run,
  resume: Resume,
  settings: Readonly<Record<string, unknown>>,
  onEvent: (event: RunEvent) => void,
): Start {
  const { config, parameters, optimizer } = run
  const fresh = { step: 0, best: null, stale: 0 }
  if (resume === false) {
    refuseOldCheckpoints(config.output_dir)
    return fresh
  }
  const folder =
    typeof resume === 'object' ? resume.folder : listCheckpoints(config.output_dir).at(-1)?.folder
  if (!folder && resume === 'newest-if-any') return fresh
  if (!folder)
    throw new TrituneError('E_RESUME', 'there is no checkpoint to resume from', {
      place: config.output_dir,
      remedy: 'start without --resume',
    })
  const { step, best, stale } = readTrainingState(folder, settings)
  loadTrainingState(folder, trainedWeightsFile(run), parameters, optimizer.tensors(), {
    prefix: weightsPrefix(run),
  })
  onEvent({ type: 'note', text: `resumed from ${folder} at step ${step}` })
  return { step, best, stale }
}

function oneStep(run: Run, context: TrainContext, step: number): StepReport {
  const { plan } = run
  const { epoch, window } = plan.locate(step)
  const batches = plan.batches(epoch)
  const { start, end, trainedTokens } = batches.windows[window]
  const micro = Array.from({ length: end - start }, (_, i) => batches.get(start + i))
  const learningRate = plan.learningRate(step)
  const began = performance.now()
  const { loss, metrics } = trainStep(context, micro, { step, learningRate })
  return {
    step: step + 1,
    totalSteps: plan.totalSteps,
    epoch: (step + 1) / plan.stepsPerEpoch,
    loss,
    learningRate,
    gradNorm: metrics.grad_norm,
    tokens: micro.reduce((sum, { ids }) => sum + ids.length, 0),
    trainedTokens,
    seconds: (performance.now() - began) / 1000,
    memory: run.device.kind === 'cuda' ? run.device.memory() : null,
  }
}

function metricsLine({
  step,
  epoch,
  loss,
  learningRate,
  gradNorm,
  tokens,
  trainedTokens,
  seconds,
  memory,
}: StepReport): Record<string, number> {
  return {
    step,
    epoch,
    loss,
    learning_rate: learningRate,
    grad_norm: gradNorm,
    tokens,
    trained_tokens: trainedTokens,
    seconds,
    tokens_per_second: tokens / seconds,
    ...(memory && { memory_used: memory.live, memory_pooled: memory.pooled, memory_peak: memory.peak }),
  }
}

function* validationBatches({
  config,
  data,
}: Run): Generator<ReturnType<ReturnType<typeof createBatches>['get']>> {
  const batches = createBatches({
    examples: data.validation,
    microBatchSize: config.eval_batch_size,
    sequenceLength: config.sequence_len,
    packing: config.eval_sample_packing,
    seed: config.seed,
    shuffle: false,
  })
  for (let i = 0; i < batches.length; i++) yield batches.get(i)
}

/** Checkpoints of two runs in one folder could be taken for each other, by --resume and by save_total_limit. */
function refuseOldCheckpoints(outputDir: string): void {
  const newest = listCheckpoints(outputDir).at(-1)
  if (!newest) return
  throw new TrituneError('E_RESUME', `an earlier run left ${basename(newest.folder)} here`, {
    place: outputDir,
    remedy: 'continue it with --resume, or remove its checkpoint folders, or set another output_dir',
  })
}

function noteFallbacks(onEvent: (event: RunEvent) => void): void {
  const slow = referenceFallbacks()
  if (slow.length > 0)
    onEvent({
      type: 'note',
      text: `these ops have no native implementation and run on the slow reference: ${slow.join(', ')}`,
    })
}

/** Stops a run whose loss stays above a threshold. */
function createWatchdog(threshold: number | null, patience: number): (report: StepReport) => void {
  let above = 0
  return ({ loss, step }) => {
    if (threshold === null) return
    above = loss > threshold ? above + 1 : 0
    if (above >= patience) {
      throw new TrituneError(
        'E_NAN',
        `the loss has been above ${threshold} for ${above} steps (step ${step})`,
        { remedy: 'lower learning_rate, or raise loss_watchdog_threshold' },
      )
    }
  }
}

function reloadBest(run: Run, best: BestEvaluation, onEvent: (event: RunEvent) => void): void {
  const folder = join(run.config.output_dir, `checkpoint-${best.step}`)
  loadTrainingState(folder, trainedWeightsFile(run), run.parameters, run.optimizer.tensors(), {
    prefix: weightsPrefix(run),
  })
  onEvent({
    type: 'note',
    text: `took the best weights: step ${best.step}, evaluation loss ${best.loss.toFixed(4)}`,
  })
}
