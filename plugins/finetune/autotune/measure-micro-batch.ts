/**
 * `micro_batch_size: auto` beside `learning_rate: auto`: of the sizes that fit in the memory the smallest that is nearly as fast as the fastest. As many documents
 * as before make a step, and the noise scale of the gradients says whether fewer would do; or, with `gradient_accumulation_steps: auto`, the size is the batch, and
 * the noise scale says what its documents are worth.
 */
import type { Parameters } from '../../../core/mod.ts'
import type { Batch } from '../../data/mod.ts'
import {
  chooseMicroBatch,
  type GradientLengths,
  type MicroBatchSpeed,
  noiseScale,
} from '../../autotune/mod.ts'
import { withMicroBatch } from '../memory/fit-micro-batch.ts'
import { openActivationStore } from '../memory/activation-offloading.ts'
import type { Run } from '../run.ts'
import { createPlan, type Plan } from '../training/plan.ts'
import { stepParts, trainStep } from '../training/train-step.ts'
import { initialState, trialContext } from './trial.ts'

/** Sizes that are measured, each at least twice the one before. */
const MOST_SIZES = 4

/** Windows whose gradients are compared, and parts of each. */
const WINDOWS = 2
const PARTS = 4

/** What was measured. */
export interface MeasuredMicroBatch {
  readonly size: number
  readonly speeds: readonly MicroBatchSpeed[]
  /** In documents; null: not to be told. */
  readonly noise: number | null
  /** Steps that it took. */
  readonly steps: number
}

/** Of a run that has made no step; it is as it was afterwards. `now` gives milliseconds. */
export function measureMicroBatch(run: Run, now: () => number = () => performance.now()): MeasuredMicroBatch {
  const { config } = run
  const documents = config.micro_batch_size * config.gradient_accumulation_steps
  const planFor = (size: number, inStep = documents): Plan =>
    createPlan(withMicroBatch(config, size, inStep), run.data.train, run.sampler)
  const restore = initialState(run)
  using activations = openActivationStore(run)
  const context = trialContext(run, activations)
  let steps = 0
  const speedOf = (size: number): MicroBatchSpeed => {
    const windows = windowsOf(planFor(size, config.autoBatch ? size : documents), documents)
    const at = { step: 0, learningRate: 0 }
    for (const window of windows) trainStep(context, window, at)
    const began = now()
    for (const window of windows) trainStep(context, window, at)
    steps += 2
    const tokens = windows.flat().reduce((sum, { ids }) => sum + ids.length, 0)
    return { size, tokensPerSecond: (1000 * tokens) / Math.max(now() - began, 1e-3) }
  }
  const lengthsOf = (index: number): GradientLengths => {
    const window = windowOf(planFor(1), index)
    const squared = (batches: Window): number => {
      stepParts(context, batches, { step: 0, learningRate: 0 }, 1).backward()
      return squaredLength(run.parameters)
    }
    const parts = window.slice(0, PARTS).map((batch) => squared([batch]))
    steps += 1 + parts.length / window.length
    return {
      small: 1,
      large: window.length,
      smallSquared: parts.reduce((sum, value) => sum + value, 0) / parts.length,
      largeSquared: squared(window),
    }
  }
  try {
    const speeds = sizesUpTo(config.micro_batch_size, documents).map(speedOf)
    const windows = Math.min(WINDOWS, run.plan.batches(0).windows.length)
    const noise =
      documents < 2 ? null : noiseScale(Array.from({ length: windows }, (_, index) => lengthsOf(index)))
    const size = chooseMicroBatch(speeds, config.autoBatch ? { noise } : {})
    return { size, speeds, noise, steps }
  } finally {
    restore()
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

type Window = readonly Batch[]

/** The largest first. */
function sizesUpTo(most: number, documents: number): number[] {
  const sizes: number[] = []
  for (let size = most; size >= 1 && sizes.length < MOST_SIZES; size--)
    if (documents % size === 0 && (sizes.length === 0 || 2 * size <= (sizes.at(-1) ?? 0))) sizes.push(size)
  return sizes
}

/** As many of the first ones as have `documents` documents, or all. */
function windowsOf(plan: Plan, documents: number): Window[] {
  const windows: Window[] = []
  let found = 0
  for (let i = 0; i < plan.stepsPerEpoch && found < documents; i++) {
    const window = windowOf(plan, i)
    windows.push(window)
    found += window.reduce((sum, { examples }) => sum + examples.length, 0)
  }
  return windows
}

function windowOf(plan: Plan, index: number): Window {
  const batches = plan.batches(0)
  const { start, end } = batches.windows[index]
  return Array.from({ length: end - start }, (_, i) => batches.get(start + i))
}

function squaredLength(parameters: Parameters): number {
  let sum = 0
  for (const { grad } of parameters.values()) for (const value of grad?.toArray() ?? []) sum += value * value
  return sum
}
