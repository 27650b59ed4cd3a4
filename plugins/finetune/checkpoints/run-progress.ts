/**
 * How far a run is, and what follows from it: evaluations, checkpoints, the best weights, early stopping, the watchdog of the loss.
 */
import { counted } from '../../../core/counted.ts'
import { basename, join } from 'node:path'
import {
  jsonField,
  type JsonValue,
  type RunResult,
  type StepReport,
  type Tensor,
  TrituneError,
  withEvaluationWeights,
  type World,
} from '../../../core/mod.ts'
import { createBatches } from '../../data/mod.ts'
import { baseFiles } from '../model/base-model.ts'
import { createBestMetric } from './best-metric.ts'
import type { TensorSource } from '../../../core/files/safetensors-write.ts'
import { listCheckpoints } from '../../../core/files/checkpoint-folders.ts'
import { pruneCheckpoints } from './checkpoints.ts'
import { agree, decide } from '../../../core/agree.ts'
import { type DividedState, dividedState, restoreParts, withWholeState } from '../parallel/whole-state.ts'
import { mergedState } from '../parallel/merged-state.ts'
import { expectSameWeights } from '../parallel/same-weights.ts'
import { shareJson, shareTensors } from '../parallel/share-state.ts'
import {
  expectSameExchange,
  expectSameWorkers,
  restoreWorkers,
  type SavedWorkers,
  withWorkerStates,
} from '../parallel/worker-states.ts'
import { namingOlder } from './older-checkpoint.ts'
import { type Evaluation, evaluateLoss } from '../training/evaluate.ts'
import { evaluationSamples } from '../training/evaluation-samples.ts'
import type { Emit } from '../reports/monitors.ts'
import { changeNotes, firstUseNotes, savedPlugins } from '../plugins/plugin-notes.ts'
import type { Run } from '../run.ts'
import { settingsOf } from './run-settings.ts'
import { type RunState, runState } from './run-state.ts'
import { fillTrained, saveOutput, trainedWeightsFile } from '../output/save-output.ts'
import {
  type BestEvaluation,
  fillFrom,
  expectStateTensors,
  loadStateTensors,
  readTrainingState,
  saveTrainingState,
  sourcesOf,
} from './training-state.ts'

/** Where to start: fresh, at the newest checkpoint of output_dir (E_RESUME when there is none, or fresh), or at this one. */
export type Resume = false | 'newest' | 'newest-if-any' | { readonly folder: string }

export interface ProgressKeeper extends Pick<RunResult, 'loss' | 'best' | 'checkpoint'> {
  /** Steps done. */
  readonly step: number
  restore(resume: Resume): void
  /** E_NAN when the loss has been too high for too long. */
  stepDone(report: StepReport): void
  /** Evaluates and saves where that is due; `enough`: training should stop early. */
  afterStep(): { readonly saved: boolean; readonly enough: boolean }
  save(): void
  /** Puts the best weights back, if they are wanted and are not the last ones. */
  takeBest(): void
}

export function createProgressKeeper(run: Run, emit: Emit): ProgressKeeper {
  const { config, plan, world } = run
  const isWriter = world === null || world.rank === 0
  const outputDir = config.output_dir
  const state = runState(run)
  // Only the first process has monitors.
  const ofWorker = runState({ ...run, monitors: [] })
  let restored: SavedWorkers | null = null
  const settings = {
    ...settingsOf(config, run.data),
    // Other processes with another share each are the same steps.
    ...(config.diloco
      ? {}
      : { gradient_accumulation_steps: config.gradient_accumulation_steps * (world?.size ?? 1) }),
  }
  const base = (): Readonly<Record<string, string>> => baseFiles(run.modelPath)
  let step = 0
  let loss = Number.NaN
  let best: BestEvaluation | null = null
  const bestBy = createBestMetric(config)
  let stale = 0
  let watchdog = 0
  let checkpoint: string | null = null

  /** What is divided, where the optimizer is. All processes ask at the same time. */
  const divide = (of: RunState): DividedState | null =>
    world === null || run.divided === null
      ? null
      : dividedState(world, of.tensors(), run.divided, run.parameters)

  const loadFrom = (folder: string, tensors: ReadonlyMap<string, Tensor>): void => {
    fillTrained(run, (weights) => fillFrom(join(folder, trainedWeightsFile(run)), weights))
    loadStateTensors(folder, tensors)
  }

  const prune = (): void =>
    pruneCheckpoints(
      outputDir,
      config.save_total_limit,
      config.load_best_model_at_end ? (best?.step ?? null) : null,
    )

  const save = (): void => {
    const folder = join(outputDir, `checkpoint-${step}`)
    checkpoint = folder
    const divided = divide(state)
    const optimizer = world && divided ? mergedState(world, jsonField(ofWorker.save(), 'optimizer')) : null
    if (config.diloco)
      withWorkerStates(world, ofWorker, (workers) =>
        write(folder, sourcesOf(new Map([...state.tensors(), ...workers.tensors])), {
          workers: workers.json,
        }),
      )
    else if (world !== null && divided)
      withWholeState(world, divided, (whole) =>
        write(folder, [...sourcesOf(divided.common), ...whole], { optimizer }),
      )
    else write(folder, sourcesOf(state.tensors()))
  }

  const write = (
    folder: string,
    tensors: readonly TensorSource[],
    /** Instead of what this process has by itself, and beside it. */
    ofAll: Readonly<Record<string, JsonValue>> = {},
  ): void => {
    if (!isWriter) return
    saveTrainingState({
      folder,
      state: {
        format: 2,
        step,
        loss: Number.isFinite(loss) ? loss : null,
        best,
        stale,
        watchdog,
        settings,
        parts: { ...state.save(), ...ofAll },
        base: run.adapter ? base() : null,
        plugins: savedPlugins(run.plugins),
      },
      tensors,
      saveWeights: (temporary) =>
        withEvaluationWeights(run.optimizer, () => saveOutput(run, temporary, { unfinished: true })),
    })
    prune()
    emit({ type: 'save', step, folder })
  }

  const evaluate = (): void => {
    const result = withEvaluationWeights(run.optimizer, () =>
      config.diloco ? evaluateByFirst(run) : evaluateLoss(run, validationBatches(run)),
    )
    plan.plateau?.onEvaluation(result.loss)
    const value = bestBy.of(result)
    const improved = best === null || bestBy.isBetter(value, best.value ?? best.loss)
    best = improved ? { loss: result.loss, step, ...(bestBy.isLoss ? {} : { value }) } : best
    stale = improved ? 0 : stale + 1
    const perplexity = run.objective.averagedOver === 'examples' ? null : Math.exp(result.loss)
    emit({ type: 'eval', step, ...result, perplexity, best: improved })
    for (const sample of evaluationSamples(run, step)) emit({ type: 'sample', step, ...sample })
  }

  const restoreHere = (resume: Resume, divided: DividedState | null): void => {
    const folder = resume === false ? null : folderOf(outputDir, resume)
    if (resume === false) refuseOldCheckpoints(outputDir)
    if (folder === null) {
      for (const text of firstUseNotes(run.plugins)) emit({ type: 'note', text })
      return
    }
    const saved = namingOlder(folder, () =>
      readTrainingState(folder, {
        settings,
        totalSteps: plan.totalSteps,
        base,
        names: world && !config.diloco ? OF_PROCESSES : {},
      }),
    )
    const { diloco } = config
    if (diloco) {
      expectSameWorkers(saved.parts, world?.size ?? 1, diloco.allow_other_workers)
      expectSameExchange(saved.parts, state.save())
    }
    restored = {
      parts: saved.parts,
      read: (targets, prefix) => loadStateTensors(folder, targets, prefix),
    }
    if (divided) expectStateTensors(folder, divided.whole)
    loadFrom(folder, divided?.common ?? state.tensors())
    state.load(saved.parts)
    ;({ step, best, stale, watchdog } = saved)
    loss = saved.loss ?? Number.NaN
    emit({ type: 'note', text: `resumed from ${folder} at step ${step}` })
    for (const text of changeNotes(run.plugins, saved.plugins ?? [])) emit({ type: 'note', text })
    // A run that was killed between a save and this has one too many, and may not save again.
    if (typeof resume !== 'object') prune()
  }

  /** What the first process has, on all of them. */
  const share = (world: World, divided: DividedState | null): void => {
    const goesOn = shareJson(world, step) > 0
    const isOwn = config.diloco !== null && goesOn
    // Its state began with the weights of this process.
    if (divided && !goesOn) expectSameWeights(world, run, step)
    const common = divided?.common ?? ofWorker.tensors()
    shareTensors(world, [...run.parameters.values(), ...(isOwn ? [] : common.values())])
    if (divided && goesOn) {
      const { read } = restored ?? {}
      restoreParts(world, divided, isWriter && read ? (tensors) => read(tensors, '') : null)
    }
    if (isOwn) restoreWorkers(world, ofWorker, isWriter ? restored : null)
    const saved = shareJson(world, {
      step,
      loss: Number.isFinite(loss) ? loss : null,
      best: best === null ? null : { ...best },
      stale,
      watchdog,
      parts:
        step === 0 || isOwn
          ? null
          : {
              ...ofWorker.save(),
              // Of a divided one, this process has only its part of what was read.
              ...(divided && restored && { optimizer: jsonField(restored.parts, 'optimizer') }),
            },
    })
    if (isWriter) return
    if (saved.parts !== null) ofWorker.load(saved.parts)
    ;({ step, best, stale, watchdog } = saved)
    loss = saved.loss ?? Number.NaN
  }

  return {
    get step() {
      return step
    },
    get loss() {
      return loss
    },
    get best() {
      return best && { loss: best.loss, step: best.step }
    },
    get checkpoint() {
      return checkpoint
    },
    restore(resume) {
      const divided = divide(ofWorker)
      agree(world, () => {
        if (isWriter) restoreHere(resume, divided)
      })
      if (world !== null) share(world, divided)
    },
    stepDone(report) {
      ;({ step, loss } = report)
    },
    afterStep() {
      const last = step === plan.totalSteps
      watchdog = watchLoss(run, { step, loss, above: watchdog })
      const evaluates = run.data.validation.length > 0 && plan.evalEvery !== null
      const evaluated = evaluates && (step % (plan.evalEvery ?? 1) === 0 || last)
      if (evaluated) evaluate()
      const due = plan.saveEvery !== null && step % plan.saveEvery === 0
      const isChecked = due || last || (config.diloco === null && step % CHECK_EVERY === 0)
      if (world !== null && isChecked) expectSameWeights(world, run, step)
      const bestNow = evaluated && config.load_best_model_at_end && best?.step === step
      // Where all take part in it, all know that it failed, and leave together.
      if (due || bestNow) agree(run.divided ? world : null, save)
      const { early_stopping_patience: patience } = config
      const enough = evaluated && patience !== null && stale >= patience
      if (enough && !last)
        emit({ type: 'note', text: `stopped early: no better evaluation ${counted(stale, 'time')} in a row` })
      return { saved: due || bestNow, enough }
    },
    save,
    takeBest() {
      if (!config.load_best_model_at_end || !best || best.step === step) return
      // Nothing is trained any more: of a divided optimizer the weights are enough.
      loadFrom(join(outputDir, `checkpoint-${best.step}`), run.divided ? new Map() : state.tensors())
      emit({
        type: 'note',
        text: `took the best weights: step ${best.step}, evaluation loss ${best.loss.toFixed(4)}`,
      })
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** What is kept under the key is their product. */
const OF_PROCESSES = { gradient_accumulation_steps: 'gradient_accumulation_steps × processes' }

/** Steps between two looks at whether all processes have the same weights. */
const CHECK_EVERY = 100

function folderOf(outputDir: string, resume: Exclude<Resume, false>): string | null {
  const folder = typeof resume === 'object' ? resume.folder : listCheckpoints(outputDir).at(-1)?.folder
  if (folder !== undefined) return folder
  if (resume === 'newest-if-any') return null
  throw new TrituneError('E_RESUME', 'there is no checkpoint to resume from', {
    place: outputDir,
    remedy: 'start without --resume',
  })
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

/** Steps in a row above the threshold; E_NAN when there are too many. */
function watchLoss(
  { config }: Run,
  { step, loss, above }: { readonly step: number; readonly loss: number; readonly above: number },
): number {
  const { loss_watchdog_threshold: threshold, loss_watchdog_patience: patience } = config
  if (threshold === null) return 0
  const now = loss > threshold ? above + 1 : 0
  if (now < patience) return now
  throw new TrituneError(
    'E_NAN',
    `the loss has been above ${threshold} for ${counted(now, 'step')} (step ${step})`,
    {
      remedy: 'lower learning_rate, or raise loss_watchdog_threshold',
    },
  )
}

/** By the first process alone, so that others only hear of it: with `diloco` links are slow. */
function evaluateByFirst(run: Run): Evaluation {
  return decide(run.world, () => evaluateLoss({ ...run, world: null }, validationBatches(run)))
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
