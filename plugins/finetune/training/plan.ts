/**
 * The numbers of a run: how many steps, which learning rate at each, when to evaluate and to save.
 */
import { counted } from '../../../core/counted.ts'
import { jsonField, type Plateau, type Sampler, type Stateful, TrituneError } from '../../../core/mod.ts'
import {
  type Batches,
  createBatches,
  type ExampleStream,
  type TokenizedExample,
  type Window,
} from '../../data/mod.ts'
import { type FinetuneConfig, warmupSteps } from '../config/config.ts'
import { createRateControl, type RateControl } from './rate-control.ts'
import { plateauOf, scheduleOf } from './schedules.ts'

/** The numbers of a run: steps, learning rates, batches, and when to evaluate and to save. Steps count from 0. */
export interface Plan {
  readonly totalSteps: number
  readonly stepsPerEpoch: number
  readonly warmupSteps: number
  readonly epochs: number
  /** Steps between evaluations and between checkpoints; null: none. */
  readonly evalEvery: number | null
  readonly saveEvery: number | null
  learningRate(step: number): number
  /** What somebody makes of `learning_rate` while the run goes. */
  readonly rate: RateControl
  /** What the learning rate follows besides the step; null: nothing. */
  readonly plateau: Plateau | null
  /** The batches of an epoch; the last two are kept. */
  batches(epoch: number): Batches
  /** Waits until the batches of a step are there, where they are not yet. */
  ready?(step: number): Promise<void>
  /** What a stream keeps between steps; null: there is none. */
  readonly stream: Stateful | null
  /** What is worth saying about it. */
  readonly notes: readonly string[]
  /** Where step `step` (0-based) lies. */
  locate(step: number): { readonly epoch: number; readonly window: number }
}

/** Where the batches come from, and how often. */
export interface PlanOptions {
  /** More examples after the first ones; null: those are all. */
  readonly stream?: ExampleStream | null
  /** Steps that are made on each window. */
  readonly repeat?: number
  /** Processes that share a window, each with as much of it as the file says; default: 1. */
  readonly ranks?: number
}

/** Throws E_DATA when there is nothing to train on. */
export function createPlan(
  ofOne: FinetuneConfig,
  train: readonly TokenizedExample[],
  sampler: Sampler | null = null,
  { stream = null, repeat = 1, ranks = 1 }: PlanOptions = {},
): Plan {
  const config = { ...ofOne, gradient_accumulation_steps: ranks * ofOne.gradient_accumulation_steps }
  if (stream) return createStreamPlan(config, train, stream)
  const cache = new Map<number, Batches>()
  const batches = (epoch: number): Batches => {
    let found = cache.get(epoch)
    if (!found) {
      found = batchesOf(config, train, epoch, sampler)
      if (cache.size > 1) cache.delete([...cache.keys()][0])
      cache.set(epoch, found)
    }
    return found
  }
  // First-fit-decreasing depends on the lengths alone, so every epoch has as many windows.
  const { windows } = batches(0)
  const stepsPerEpoch = windows.length * repeat
  if (stepsPerEpoch === 0) throw nothingToTrain(config, train.length)
  const totalSteps = config.max_steps ?? Math.max(1, wholeSteps(config.num_epochs * stepsPerEpoch))
  const rates = stepsAndRates(config, { totalSteps, stepsPerEpoch, epochs: config.num_epochs })
  return {
    ...rates,
    notes: [...unevenSteps(config, batches(0)), ...rates.notes],
    batches,
    locate: (step) => ({
      epoch: Math.floor(step / stepsPerEpoch),
      window: Math.floor((step % stepsPerEpoch) / repeat),
    }),
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/**
 * The steps of chunk after chunk of a stream, each shuffled and packed by itself. How many steps a chunk has is known when it has been
 * read, so a step is known when those before it are.
 */
function createStreamPlan(
  config: FinetuneConfig,
  first: readonly TokenizedExample[],
  stream: ExampleStream,
): Plan {
  const totalSteps = config.max_steps ?? 1
  let chunk = 0
  let firstStep = 0
  let isLoaded = true
  let batches = batchesOf(config, first, chunk)
  const window = (step: number): Window | undefined => batches.windows[step - firstStep]
  if (batches.windows.length === 0) throw nothingToTrain(config, first.length)
  return {
    ...stepsAndRates(config, { totalSteps, stepsPerEpoch: totalSteps, epochs: 1 }),
    batches: () => batches,
    locate: (step) => ({ epoch: chunk, window: step - firstStep }),
    async ready(step) {
      while (!isLoaded || window(step) === undefined) {
        if (isLoaded) firstStep += batches.windows.length
        const { index, examples } = await stream.next()
        batches = batchesOf(config, examples, index)
        if (batches.windows.length === 0) throw nothingToTrain(config, examples.length)
        chunk = index
        isLoaded = true
      }
    },
    stream: {
      saveState: () => ({ firstStep, read: stream.saveState?.() ?? null }),
      loadState(saved) {
        firstStep = Number(jsonField(saved, 'firstStep'))
        stream.loadState?.(jsonField(saved, 'read'))
        isLoaded = false
      },
    },
  }
}

function batchesOf(
  config: FinetuneConfig,
  examples: readonly TokenizedExample[],
  epoch: number,
  sampler: Sampler | null = null,
): Batches {
  return createBatches({
    examples,
    microBatchSize: config.micro_batch_size,
    sequenceLength: config.sequence_len,
    packing: config.sample_packing,
    seed: config.seed,
    epoch,
    order: sampler ? checkedOrder(sampler.order(epoch), examples.length) : undefined,
    ...(config.curriculum_sampling ? { shuffle: false } : {}),
    inOrder: config.sample_packing_sequentially,
    gradientAccumulationSteps: config.gradient_accumulation_steps,
    groupByLength: config.group_by_length,
    dropLast: config.dataloader_drop_last,
  })
}

/** All but the batches. */
function stepsAndRates(config: FinetuneConfig, run: Lengths): Omit<Plan, 'batches' | 'locate' | 'ready'> {
  const { totalSteps, stepsPerEpoch } = run
  const warmup = warmupSteps(config, totalSteps)
  const schedule = scheduleOf(config, { totalSteps, warmupSteps: warmup })
  const plateau = plateauOf(config)
  const rate = createRateControl(config.learning_rate)
  const { eval_strategy, eval_steps, evals_per_epoch } = config
  const { save_strategy, save_steps, saves_per_epoch } = config
  const evaluated = interval(eval_strategy, eval_steps, evals_per_epoch, run)
  const saved = interval(save_strategy, save_steps, saves_per_epoch, run)
  return {
    totalSteps,
    stepsPerEpoch,
    warmupSteps: warmup,
    epochs: totalSteps / stepsPerEpoch,
    evalEvery: wholeRounds(config, evaluated),
    saveEvery: wholeRounds(config, saved),
    notes: [
      ...longWarmup(config, totalSteps, warmup),
      ...longDecay(config, totalSteps, warmup),
      ...laterNotes(config, { evaluations: evaluated, checkpoints: saved }),
    ],
    learningRate: (step) => rate.rate * (plateau ? plateau.factor : schedule(step)),
    rate,
    plateau,
    stream: null,
  }
}

interface Lengths {
  readonly totalSteps: number
  readonly stepsPerEpoch: number
  /** As the file has it. */
  readonly epochs: number
}

/** `n` per epoch means so many times in the steps that are run, whether epochs or `max_steps` end them, as in axolotl. */
function interval(
  strategy: 'no' | 'steps' | 'epoch',
  steps: number | null,
  perEpoch: number | null,
  { totalSteps, stepsPerEpoch, epochs }: Lengths,
): number | null {
  if (strategy === 'no') return null
  if (steps !== null) return steps < 1 ? Math.max(1, wholeSteps(steps * totalSteps)) : steps
  if (perEpoch !== null) return Math.max(1, wholeSteps(totalSteps / (perEpoch * epochs)))
  return stepsPerEpoch
}

/** With `diloco` all have the same weights at the end of a round. */
function wholeRounds({ diloco }: FinetuneConfig, steps: number | null): number | null {
  return diloco === null || steps === null ? steps : Math.ceil(steps / diloco.every) * diloco.every
}

function laterNotes(config: FinetuneConfig, intervals: Readonly<Record<string, number | null>>): string[] {
  return Object.entries(intervals).flatMap(([what, steps]) => {
    const rounded = wholeRounds(config, steps)
    return rounded === steps
      ? []
      : [`${what} come every ${rounded} steps, not ${steps}: at the end of a round of diloco`]
  })
}

/** Rounded up, but not because 0.1 × 30 is 3.0000000000000004. */
function wholeSteps(steps: number): number {
  const nearest = Math.round(steps)
  return Math.abs(steps - nearest) < 1e-9 * Math.max(1, steps) ? nearest : Math.ceil(steps)
}

function unevenSteps(config: FinetuneConfig, { windows, leftOut }: Batches): string[] {
  const most = config.micro_batch_size * config.gradient_accumulation_steps
  const rows = windows.reduce((sum, window) => sum + window.rows, 0)
  const what = config.sample_packing ? 'packed rows' : 'examples'
  if (leftOut > 0) {
    return [
      `${leftOut} of ${rows + leftOut} ${what} are left out of each epoch: they do not fill a step of ${most} (dataloader_drop_last)`,
    ]
  }
  if (rows % most === 0) return []
  const least = Math.floor(rows / windows.length)
  const each = rows % windows.length === 0 ? `${least}` : `${least} or ${least + 1}`
  return [
    `${rows === 1 ? `1 ${what.slice(0, -1)} does` : `${rows} ${what} do`} not fill steps of ${most}: each epoch has ${counted(windows.length, 'step')} of ${each}, so that none counts much more than others`,
  ]
}

/** The run then ends below its learning rate. */
function longWarmup({ lr_scheduler }: FinetuneConfig, totalSteps: number, warmup: number): string[] {
  if (warmup < totalSteps || WITHOUT_WARMUP.includes(lr_scheduler)) return []
  return [
    `the warm-up of ${counted(warmup, 'step')} does not end in the ${counted(totalSteps, 'step')} of the run, so that learning_rate is not reached`,
  ]
}

/** `one_cycle` rises by `pct_start`. */
const WITHOUT_WARMUP: readonly string[] = ['constant', 'one_cycle', 'reduce_lr_on_plateau']

/** The learning rate then jumps from its warm-up into the middle of the decay, as in transformers. */
function longDecay(
  { lr_scheduler, lr_scheduler_kwargs: kwargs }: FinetuneConfig,
  totalSteps: number,
  warmup: number,
): string[] {
  const decay = kwargs.num_decay_steps
  if (lr_scheduler !== 'warmup_stable_decay' || decay === undefined || decay + warmup <= totalSteps) return []
  const both = warmup > 0 ? `and the warm-up of ${warmup} are more than` : 'is more than'
  return [
    `num_decay_steps ${decay} ${both} the ${counted(totalSteps, 'step')} of the run: the decay has begun before its first step, so that learning_rate is not reached`,
  ]
}

function nothingToTrain(config: FinetuneConfig, examples: number): TrituneError {
  const { micro_batch_size: size, gradient_accumulation_steps: accumulation } = config
  if (!config.dataloader_drop_last || examples === 0) {
    return new TrituneError('E_DATA', 'there is nothing to train on')
  }
  return new TrituneError(
    'E_DATA',
    `there are fewer than the ${size * accumulation} rows of a step, and dataloader_drop_last leaves out what does not fill one`,
    { place: 'dataloader_drop_last', remedy: 'set dataloader_drop_last: false, or smaller steps' },
  )
}

/** E_PLUGIN unless each example comes once. */
function checkedOrder(order: Int32Array, examples: number): Int32Array {
  const isThere = new Uint8Array(examples)
  for (const index of order) if (index >= 0 && index < examples) isThere[index] = 1
  if (order.length === examples && isThere.every((seen) => seen === 1)) return order
  throw new TrituneError(
    'E_PLUGIN',
    `the sampler gave no permutation of the ${counted(examples, 'example')}`,
    {
      remedy: 'order(epoch) returns an Int32Array in which each of 0 … n − 1 stands once',
    },
  )
}
