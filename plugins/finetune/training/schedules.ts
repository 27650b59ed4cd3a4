/**
 * The learning-rate schedules of a run by name: which `lr_scheduler_kwargs` each takes, and what it computes, as transformers and axolotl
 * do. `reduce_lr_on_plateau` is told of evaluations and has a state; the others are functions of the step.
 */
import {
  constantSchedule,
  cosineRestartsSchedule,
  cosineSchedule,
  cosineWarmupSchedule,
  inverseSqrtSchedule,
  linearSchedule,
  oneCycleSchedule,
  type Plateau,
  plateau,
  polynomialSchedule,
  rexSchedule,
  secondStage,
  type Schedule,
  twoStageSchedule,
  wsdSchedule,
} from '../../../core/mod.ts'
import type { FinetuneOptions, LrScheduler, LrSchedulerOptions } from '../config/finetune-options.ts'

type Scheduled = Pick<
  FinetuneOptions,
  | 'lr_scheduler'
  | 'lr_scheduler_kwargs'
  | 'cosine_min_lr_ratio'
  | 'cosine_constant_lr_ratio'
  | 'lr_quadratic_warmup'
  | 'learning_rate'
>

interface RunLength {
  readonly totalSteps: number
  readonly warmupSteps: number
}

interface Entry {
  readonly kwargs: readonly (keyof LrSchedulerOptions)[]
  make(kwargs: LrSchedulerOptions, run: RunLength, config: Scheduled): Schedule
}

const MIN_LR: Entry['kwargs'] = ['min_lr', 'min_lr_rate']

const ENTRIES: Readonly<Record<LrScheduler, Entry>> = {
  cosine: {
    kwargs: ['num_cycles'],
    make: ({ num_cycles }, run, config) =>
      cosineSchedule({
        ...run,
        minRatio: config.cosine_min_lr_ratio ?? 0,
        cycles: num_cycles,
        constantRatio: config.cosine_constant_lr_ratio || 1,
        quadratic: config.lr_quadratic_warmup,
      }),
  },
  linear: { kwargs: [], make: (_, run) => linearSchedule(run) },
  constant: { kwargs: [], make: () => constantSchedule() },
  constant_with_warmup: { kwargs: [], make: (_, run) => constantSchedule(run) },
  warmup_stable_decay: {
    kwargs: [
      'num_decay_steps',
      'num_stable_steps',
      'min_lr_ratio',
      'warmup_type',
      'decay_type',
      'num_cycles',
    ],
    make: (kwargs, run) =>
      wsdSchedule({
        ...run,
        decaySteps: kwargs.num_decay_steps ?? Math.ceil(run.totalSteps / 10),
        stableSteps: kwargs.num_stable_steps,
        minRatio: kwargs.min_lr_ratio,
        warmupType: kwargs.warmup_type,
        decayType: kwargs.decay_type,
        cycles: kwargs.num_cycles,
      }),
  },
  cosine_with_restarts: {
    kwargs: ['num_cycles'],
    make: ({ num_cycles }, run) => cosineRestartsSchedule({ ...run, cycles: num_cycles }),
  },
  cosine_with_min_lr: {
    kwargs: [...MIN_LR, 'num_cycles'],
    make: (kwargs, run, config) =>
      cosineSchedule({ ...run, minRatio: minRatio(kwargs, config), cycles: kwargs.num_cycles }),
  },
  cosine_warmup_with_min_lr: {
    kwargs: [...MIN_LR, 'num_cycles', 'warmup_lr_rate'],
    make: (kwargs, run, config) =>
      cosineWarmupSchedule({
        ...run,
        minRatio: minRatio(kwargs, config),
        warmupRatio: kwargs.warmup_lr_rate,
        cycles: kwargs.num_cycles,
      }),
  },
  polynomial: {
    kwargs: ['power', 'lr_end'],
    make: ({ power, lr_end = 1e-7 }, run, { learning_rate }) =>
      polynomialSchedule({ ...run, power, end: lr_end / learning_rate }),
  },
  inverse_sqrt: {
    kwargs: ['timescale'],
    make: ({ timescale }, { warmupSteps }) => inverseSqrtSchedule({ warmupSteps, timescale }),
  },
  rex: {
    kwargs: [],
    make: (_, run, { cosine_min_lr_ratio }) => rexSchedule({ ...run, minRatio: cosine_min_lr_ratio ?? 0 }),
  },
  two_stage: {
    kwargs: ['stage_start', 'stage_lr_ratio'],
    make: ({ stage_start, stage_lr_ratio }, run) =>
      twoStageSchedule({ ...run, stageStart: stage_start, ratio: stage_lr_ratio }),
  },
  one_cycle: {
    kwargs: [
      'pct_start',
      'anneal_strategy',
      'div_factor',
      'final_div_factor',
      'three_phase',
      'cycle_momentum',
    ],
    make: (kwargs, { totalSteps, warmupSteps }) =>
      oneCycleSchedule({
        totalSteps,
        rise: kwargs.pct_start ?? warmupSteps / totalSteps,
        anneal: kwargs.anneal_strategy,
        divFactor: kwargs.div_factor,
        finalDivFactor: kwargs.final_div_factor,
        threePhase: kwargs.three_phase,
      }),
  },
  reduce_lr_on_plateau: {
    kwargs: ['factor', 'patience', 'threshold', 'threshold_mode', 'cooldown', 'min_lr', 'eps', 'mode'],
    make: () => constantSchedule(),
  },
}

/** Names of all schedules. */
export const SCHEDULERS: readonly LrScheduler[] = Object.keys(ENTRIES).filter(isScheduler)

/** The `lr_scheduler_kwargs` that a schedule takes. */
export function kwargsOf(scheduler: LrScheduler): readonly (keyof LrSchedulerOptions)[] {
  return ENTRIES[scheduler].kwargs
}

/** Factor on the learning rate of each step. */
export function scheduleOf(config: Scheduled, run: RunLength): Schedule {
  return ENTRIES[config.lr_scheduler].make(config.lr_scheduler_kwargs, run, config)
}

/** The first step (from 0) in which nothing decays any more; null: the schedule says nothing of it. */
export function decayEnd(
  {
    lr_scheduler,
    lr_scheduler_kwargs: { stage_start },
  }: Pick<Scheduled, 'lr_scheduler' | 'lr_scheduler_kwargs'>,
  totalSteps: number,
): number | null {
  return lr_scheduler === 'two_stage' ? secondStage(totalSteps, stage_start) : null
}

/** What follows the evaluations of a run, where its schedule does; else null. */
export function plateauOf({ lr_scheduler, lr_scheduler_kwargs, learning_rate }: Scheduled): Plateau | null {
  if (lr_scheduler !== 'reduce_lr_on_plateau') return null
  const {
    factor,
    patience,
    threshold,
    threshold_mode,
    cooldown,
    min_lr = 0,
    eps = 1e-8,
  } = lr_scheduler_kwargs
  return plateau({
    factor,
    patience,
    threshold,
    thresholdMode: threshold_mode,
    cooldown,
    minRatio: min_lr / learning_rate,
    eps: eps / learning_rate,
  })
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function minRatio({ min_lr, min_lr_rate }: LrSchedulerOptions, { learning_rate }: Scheduled): number {
  return min_lr_rate ?? (min_lr ?? 0) / learning_rate
}

function isScheduler(name: string): name is LrScheduler {
  return Object.hasOwn(ENTRIES, name)
}
