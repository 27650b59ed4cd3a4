/**
 * The numbers of a run: how many steps, which learning rate at each, when to evaluate and to save.
 */
import {
  constantSchedule,
  cosineSchedule,
  linearSchedule,
  type Sampler,
  type Schedule,
  TrituneError,
  wsdSchedule,
} from '../../core/mod.ts'
import { type Batches, createBatches, type TokenizedExample } from '../data/mod.ts'
import { type FinetuneConfig, warmupSteps } from './config.ts'

export interface Plan {
  readonly totalSteps: number
  readonly stepsPerEpoch: number
  readonly warmupSteps: number
  readonly epochs: number
  /** Steps between evaluations and between checkpoints; null: none. */
  readonly evalEvery: number | null
  readonly saveEvery: number | null
  learningRate(step: number): number
  /** The batches of an epoch; the last two are kept. */
  batches(epoch: number): Batches
  /** Where step `step` (0-based) lies. */
  locate(step: number): { readonly epoch: number; readonly window: number }
}

/** Throws E_DATA when there is nothing to train on. */
export function createPlan(
  config: FinetuneConfig,
  train: readonly TokenizedExample[],
  sampler: Sampler | null = null,
): Plan {
  const cache = new Map<number, Batches>()
  const batches = (epoch: number): Batches => {
    let found = cache.get(epoch)
    if (!found) {
      found = createBatches({
        examples: train,
        microBatchSize: config.micro_batch_size,
        sequenceLength: config.sequence_len,
        packing: config.sample_packing,
        seed: config.seed,
        epoch,
        order: sampler ? checkedOrder(sampler.order(epoch), train.length) : undefined,
        gradientAccumulationSteps: config.gradient_accumulation_steps,
      })
      if (cache.size > 1) cache.delete([...cache.keys()][0])
      cache.set(epoch, found)
    }
    return found
  }
  // First-fit-decreasing depends on the lengths alone, so every epoch has as many windows.
  const stepsPerEpoch = batches(0).windows.length
  if (stepsPerEpoch === 0) throw new TrituneError('E_DATA', 'there is nothing to train on')
  const wanted = Math.max(1, Math.ceil(config.num_epochs * stepsPerEpoch))
  const totalSteps = config.max_steps ?? wanted
  const warmup = warmupSteps(config, totalSteps)
  const schedule = scheduleOf(config, totalSteps, warmup)
  const perEpoch = (times: number | null): number | null =>
    times === null ? null : Math.max(1, Math.round(stepsPerEpoch / times))
  return {
    totalSteps,
    stepsPerEpoch,
    warmupSteps: warmup,
    epochs: totalSteps / stepsPerEpoch,
    evalEvery: interval(config.eval_steps, totalSteps) ?? perEpoch(config.evals_per_epoch),
    saveEvery: interval(config.save_steps, totalSteps) ?? perEpoch(config.saves_per_epoch),
    learningRate: (step) => config.learning_rate * schedule(step),
    batches,
    locate: (step) => ({ epoch: Math.floor(step / stepsPerEpoch), window: step % stepsPerEpoch }),
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** E_PLUGIN unless each example comes once. */
function checkedOrder(order: Int32Array, examples: number): Int32Array {
  const isThere = new Uint8Array(examples)
  for (const index of order) if (index >= 0 && index < examples) isThere[index] = 1
  if (order.length === examples && isThere.every((seen) => seen === 1)) return order
  throw new TrituneError('E_PLUGIN', `the sampler gave no permutation of the ${examples} examples`, {
    remedy: 'order(epoch) returns an Int32Array in which each of 0 … n − 1 stands once',
  })
}

/** Below 1, a part of all steps. */
function interval(steps: number | null, totalSteps: number): number | null {
  if (steps === null) return null
  return Math.max(1, steps < 1 ? Math.ceil(steps * totalSteps) : Math.floor(steps))
}

function scheduleOf(config: FinetuneConfig, totalSteps: number, warmup: number): Schedule {
  const common = { totalSteps, warmupSteps: warmup }
  switch (config.lr_scheduler) {
    case 'cosine':
      return cosineSchedule({ ...common, minRatio: config.cosine_min_lr_ratio ?? 0 })
    case 'linear':
      return linearSchedule(common)
    case 'constant':
      return constantSchedule()
    case 'constant_with_warmup':
      return constantSchedule(common)
    case 'warmup_stable_decay': {
      const { num_decay_steps, min_lr_ratio } = config.lr_scheduler_kwargs
      return wsdSchedule({
        ...common,
        decaySteps: num_decay_steps ?? Math.ceil(totalSteps / 10),
        minRatio: min_lr_ratio ?? 0,
      })
    }
    default:
      return config.lr_scheduler satisfies never
  }
}
