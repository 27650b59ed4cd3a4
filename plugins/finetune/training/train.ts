/**
 * The training loop: steps, evaluations, checkpoints, stopping; resumable at any checkpoint to the same bits.
 *
 * It knows the order of things and nothing else: what a step is, what is kept and who is told are parts of the run.
 */
import {
  type Monitor,
  referenceFallbacks,
  type RunEvent,
  type RunResult,
  type StepReport,
  TrituneError,
  type World,
  type WrittenSample,
} from '../../../core/mod.ts'
import { agree } from '../../../core/agree.ts'
import { openActivationStore } from '../memory/activation-offloading.ts'
import { markFinished, unmarkFinished } from '../checkpoints/earlier-run.ts'
import { isRoundEnd, ownBatches } from '../parallel/local-worker.ts'
import { tellingNaNOnce } from '../parallel/nan-of-all.ts'
import { expectSameRun } from '../parallel/same-run.ts'
import { checkPublishing, createPublisher, type Publisher } from '../output/publish.ts'
import { checkMetricNames } from '../reports/metric-names.ts'
import { createCompletionsFile } from '../reports/completions-file.ts'
import { withAdvice } from '../reports/advice.ts'
import { createHistogramsFile, histogramsOf } from '../reports/histograms.ts'
import { createMetricsFile } from '../reports/metrics-file.ts'
import { createEmitter, type Emit, type Emitter } from '../reports/monitors.ts'
import { factsOfFolder } from '../reports/facts-of-folder.ts'
import { createRunFiles } from '../../runs/mod.ts'
import { explainOutOfMemory } from '../memory/out-of-memory.ts'
import { lockOutputDir } from '../checkpoints/output-dir.ts'
import type { NamedPart, Run } from '../run.ts'
import { createProgressKeeper, type ProgressKeeper, type Resume } from '../checkpoints/run-progress.ts'
import { saveOutput } from '../output/save-output.ts'
import { factsOfRun } from '../output/run-facts.ts'
import { createRunControl } from './run-control.ts'
import { windowOf } from './window-of.ts'
import { runStrategies } from './strategies.ts'
import { summarize } from '../reports/summary.ts'
import { embeddingNoiseOf } from './embedding-noise.ts'
import { stepParts, type TrainContext, trainStep } from './train-step.ts'

/** Options of `train()`: who is told, and where to start. */
export interface TrainOptions {
  /** Besides those of the file. */
  readonly monitors?: readonly Monitor[]
  /** As a monitor, but what it throws ends the run: for programs that steer by events. */
  onEvent?(event: RunEvent): void
  /** Asks for a clean stop after the current step. */
  readonly signal?: AbortSignal
  readonly resume?: Resume
  /** From `lockOutputDir()`, where the caller took it before; else it is taken for the time of the training. */
  readonly lock?: Disposable
  /** What was typed to start the run, for its record. */
  readonly command?: string
}

/**
 * Trains a prepared run to its end. Throws E_NAN, E_MEMORY, E_DISK, E_RESUME…; checkpoints already written stay intact.
 *
 * @example
 * ```ts
 * import { readFileSync } from 'node:fs'
 * import { prepareRun, readFinetuneConfig, train } from 'tritune/plugins/finetune'
 *
 * using run = await prepareRun(readFinetuneConfig(readFileSync('my.yaml', 'utf8'), 'my.yaml'))
 * const { steps, outputDir } = await train(run, {
 *   onEvent(event) {
 *     if (event.type === 'step') console.log(event.report.step, event.report.loss)
 *   },
 * })
 * console.log(steps > 0, outputDir)
 * ```
 */
export async function train(run: Run, options: TrainOptions = {}): Promise<RunResult> {
  const { emit, settle } = emitterOf(run, options)
  let done = 0
  using _lock = options.lock || !writes(run.world) ? null : await lockOutputDir(run.config.output_dir)
  try {
    const result = await trainSteps(run, emit, options, (step) => (done = step))
    emit({ type: 'end', result })
    await settle()
    return result
  } catch (error) {
    const explained = explainOutOfMemory(error, run, done === 0 ? 'in the first step' : `after step ${done}`)
    const code = explained instanceof TrituneError ? explained.code : 'E_BUG'
    emit({ type: 'error', code, message: explained instanceof Error ? explained.message : String(explained) })
    await settle()
    throw explained
  }
}

async function trainSteps(
  run: Run,
  emit: Emit,
  { signal, resume = false }: TrainOptions,
  onStep: (step: number) => void,
): Promise<RunResult> {
  const { config, plan } = run
  const isWriter = writes(run.world)
  if (run.world !== null) {
    expectSameRun(run.world, run)
    // Before the first step, so that what connects GPUs is known by then; messages of diloco are of the host.
    if (run.config.diloco === null) run.world.onDevice(run.device)
  }
  if (isWriter) await checkPublishing(config)
  const publisher = createPublisher(run, { emit, ...(signal ? { signal } : {}) })
  const keeper = createProgressKeeper(run, emit)
  keeper.restore(resume)
  const started = keeper.step
  if (isWriter) unmarkFinished(config.output_dir)
  // Before anybody is told that the run is there, so that nothing asked of it is missed.
  const control = createRunControl({
    outputDir: config.output_dir,
    world: run.world,
    keeper,
    rate: plan.rate,
    emit,
    signal,
  })
  emit({
    type: 'start',
    step: started,
    totalSteps: plan.totalSteps,
    outputDir: config.output_dir,
    // Measures the machine for a moment, so only for whoever reads it.
    get summary() {
      return summarize(run)
    },
  })
  using activations = openActivationStore(run)
  const context = {
    ...run,
    checkpointing: config.gradient_checkpointing,
    leanMemory: run.memory.isLean,
    activations,
    embeddingNoise: embeddingNoiseOf(config),
    ...(config.diloco === null
      ? { seed: config.seed }
      : // Each makes steps of its own, with noise of its own.
        { seed: config.seed + (run.world?.rank ?? 0), world: null }),
  }
  // The part of this process stays its part where the others are lost.
  const worker = config.diloco && run.world ? { rank: run.world.rank, size: run.world.size } : null
  let stopped = false
  while (keeper.step < plan.totalSteps) {
    await plan.ready?.(keeper.step)
    const { report, samples } = await oneStep(run, { ...context, worker }, keeper.step)
    keeper.stepDone(report)
    onStep(report.step)
    emit({ type: 'step', report })
    if (samples.length > 0) emit({ type: 'samples', step: report.step, samples })
    run.sampler?.onStep?.(report)
    if (report.step === started + 1) noteFallbacks(emit)
    if (config.histogram_steps !== null && report.step % config.histogram_steps === 0)
      emit({
        type: 'histograms',
        step: report.step,
        histograms: histogramsOf(run.parameters, report.step),
      })
    const { saved, enough } = keeper.afterStep()
    if (saved && isWriter && keeper.checkpoint !== null)
      await publisher.saved(keeper.checkpoint, soFar(keeper))
    // Lets signals and timers in; nothing of the tape is alive here.
    await new Promise((resolve) => setImmediate(resolve))
    if (enough || keeper.step === plan.totalSteps) break
    if (isBetweenRounds(run, keeper.step)) continue
    const asked = await control.afterStep(saved)
    if (asked.saved && !saved && isWriter && keeper.checkpoint !== null)
      await publisher.saved(keeper.checkpoint, soFar(keeper))
    if (asked.stop) {
      if (!asked.saved) agree(run.divided ? run.world : null, () => keeper.save())
      stopped = true
      break
    }
  }
  control.end()
  return await finish(run, keeper, stopped, publisher)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Then nobody waits for anybody, so nothing is asked of all. */
function isBetweenRounds({ config: { diloco }, plan, world }: Run, steps: number): boolean {
  return diloco !== null && world !== null && !isRoundEnd(diloco, steps, plan.totalSteps)
}

function soFar({ step: steps, loss, best }: ProgressKeeper): Pick<RunResult, 'steps' | 'loss' | 'best'> {
  return { steps, loss, best }
}

async function finish(
  run: Run,
  keeper: ProgressKeeper,
  stopped: boolean,
  publisher: Publisher,
): Promise<RunResult> {
  const { output_dir: outputDir } = run.config
  if (!stopped && writes(run.world)) {
    keeper.takeBest()
    // For good: what is in the model after the run is what was saved.
    run.optimizer.enterEvaluation?.()
    saveOutput(run, outputDir)
    const { step: steps } = keeper
    markFinished(outputDir, { steps, facts: factsOfRun(run, soFar(keeper)) })
    await publisher.finished(soFar(keeper))
  }
  const { step: steps, loss, best, checkpoint } = keeper
  return { steps, stopped, loss, best, outputDir, checkpoint, pushed: publisher.outcome }
}

/** The first process has the folder of the run; the others only compute. */
function writes(world: World | null): boolean {
  return world === null || world.rank === 0
}

/** metrics.jsonl, the monitors of the file and of the caller; then `onEvent`, which may throw. */
function emitterOf(run: Run, { monitors = [], onEvent, command }: TrainOptions): Emitter {
  if (!writes(run.world)) return createEmitter([], onEvent)
  const { output_dir: outputDir } = run.config
  const parts: NamedPart<Monitor>[] = [
    { name: 'metrics.jsonl', part: createMetricsFile(outputDir) },
    { name: 'run.json', part: createRunFiles(outputDir, () => factsOfFolder(run, command ?? null)) },
    ...(run.config.histogram_steps === null
      ? []
      : [{ name: 'histograms.jsonl', part: createHistogramsFile(outputDir) }]),
    ...(run.rollouts
      ? [{ name: 'completions.jsonl', part: createCompletionsFile(run.config.output_dir) }]
      : []),
    ...run.monitors,
    ...monitors.map((part, i) => ({ name: `monitors[${i}]`, part })),
  ]
  return withAdvice(run, createEmitter(parts, onEvent))
}

/** With `diloco`: which of the processes that make steps of their own. */
type Worker = Pick<World, 'rank' | 'size'>

/** Nothing of the tape is alive while it waits for rewards. */
async function oneStep(
  run: Run,
  context: TrainContext & { readonly worker: Worker | null },
  step: number,
): Promise<{ report: StepReport; samples: readonly WrittenSample[] }> {
  const { plan, strategies } = run
  const began = performance.now()
  const { micro: window, metrics: found, samples } = await windowOf(run, step)
  const micro = ownBatches(context.worker, window)
  const trainedTokens = micro.reduce((sum, batch) => sum + batch.trainedTokens, 0)
  const at = { step, learningRate: plan.learningRate(step), checks: [] }
  const parts = stepParts(context, micro, at, plan.totalSteps)
  const { loss, metrics } = tellingNaNOnce(context.world ?? null, () =>
    runStrategies(strategies, parts, () => trainStep(context, micro, at)),
  )
  const { grad_norm: gradNorm = Number.NaN, ...others } = metrics
  checkMetricNames(others)
  const report = {
    step: step + 1,
    totalSteps: plan.totalSteps,
    epoch: (step + 1) / plan.stepsPerEpoch,
    loss,
    learningRate: at.learningRate,
    gradNorm,
    tokens: micro.reduce((sum, { ids }) => sum + ids.length, 0),
    trainedTokens,
    seconds: (performance.now() - began) / 1000,
    memory: run.device.kind === 'cuda' ? run.device.memory() : null,
    metrics: { ...others, ...found },
  }
  return { report, samples }
}

function noteFallbacks(emit: Emit): void {
  const slow = referenceFallbacks()
  if (slow.length > 0)
    emit({
      type: 'note',
      text: `these ops have no native implementation and run on the slow reference: ${slow.join(', ')}`,
    })
}
