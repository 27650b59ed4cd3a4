/**
 * One annealed run of a LoRA on a model, and what it took: passes and seconds are counted, not assumed.
 */
import * as v from 'valibot'
import {
  adamw,
  chain,
  clipByGlobalNorm,
  cosineSchedule,
  type Device,
  flatGradients,
  type StepContext,
  type StepResult,
  TrituneError,
} from '../../../core/mod.ts'
import { evaluateLoss } from '../../../plugins/finetune/training/evaluate.ts'
import { stepParts, trainStep } from '../../../plugins/finetune/training/train-step.ts'
import { loadModel } from '../../../plugins/models/mod.ts'
import { attachLora } from '../../../plugins/peft/mod.ts'
import type { Batch } from '../../../plugins/data/mod.ts'
import type { Task } from '../compression/task.ts'
import { maybeInfinite } from '../runs/run-cache.ts'
import type { Method } from './method.ts'

/** What is trained. */
export interface TrainedRun {
  readonly base: string
  readonly task: Task
  readonly method: Method
  /** Of AdamW; a method may make more of them out of as many passes. */
  readonly steps: number
  readonly learningRate: number
  readonly seed: number
  readonly device: Device
  /** Default: a cosine after 3 % of warm-up. */
  readonly schedule?: (step: number) => number
  /** More rows to measure on, from which nothing is reported. */
  readonly probe?: readonly Batch[]
}

/** What came of it. Losses are Infinity where a step gave NaN. */
export interface Outcome {
  readonly chosenBy: number
  readonly reported: number
  readonly probed: number
  /** Passes over the rows of a step of AdamW. */
  readonly forwards: number
  readonly backwards: number
  /** Of the training without its evaluation: by the clock, and of the processor, which others do not lengthen as much. */
  readonly seconds: number
  readonly cpuSeconds: number
  /** Guesses that were kept, and steps that they or predicted gradients stand for. */
  readonly kept: number
  readonly predicted: number
  /** Of each step that was computed. */
  readonly losses: readonly number[]
  readonly gradNorms: readonly number[]
  /** Why the run ended early. */
  readonly failure: string | null
}

/** An `Outcome` in a file. */
export const OUTCOME: v.GenericSchema<unknown, Outcome> = v.object({
  chosenBy: maybeInfinite,
  reported: maybeInfinite,
  probed: maybeInfinite,
  forwards: v.number(),
  backwards: v.number(),
  seconds: v.number(),
  cpuSeconds: v.number(),
  kept: v.number(),
  predicted: v.number(),
  losses: v.array(maybeInfinite),
  gradNorms: v.array(maybeInfinite),
  failure: v.nullable(v.string()),
})

/** In forward passes; backward costs as much where the frozen weights need no gradient. */
export function unitsOf({ forwards, backwards }: Pick<Outcome, 'forwards' | 'backwards'>): number {
  return forwards + backwards
}

export function trainOnce({ base, task, method, device, seed, ...run }: TrainedRun): Outcome {
  const { parts = 1, optimizer: optimizerOf = adamw } = method
  const steps = parts * (method.stepsFor?.(run.steps) ?? run.steps)
  using model = loadModel(base, { device })
  using adapter = attachLora(model, { rank: 16, alpha: 32, targetModules: 'all-linear', seed })
  const { parameters } = adapter
  using gradients = flatGradients(parameters)
  using optimizer = chain(clipByGlobalNorm(1), optimizerOf()).init(parameters)
  const strategy = method.strategy?.({ model, parameters, totalSteps: steps, seed })
  using _closed = { [Symbol.dispose]: () => strategy?.[Symbol.dispose]?.() }
  const context = { model, device, parameters, gradients, optimizer, checkpointing: false, seed }
  const schedule =
    run.schedule ?? cosineSchedule({ totalSteps: steps, warmupSteps: Math.floor(0.03 * steps) })
  const count = { forwards: 0, backwards: 0, kept: 0, predicted: 0 }
  const losses: number[] = []
  const gradNorms: number[] = []
  let windows = 0
  const oneStep = (step: number): void => {
    const window = [task.rowsOf(Math.floor(windows / parts), windows % parts, parts)]
    const at = { step, learningRate: run.learningRate * schedule(step), checks: [] }
    let isComputed = false
    const computing = <T>(work: () => T): T => {
      count.forwards += 1 / parts
      count.backwards += 1 / parts
      isComputed = true
      return work()
    }
    const next = (): StepResult => computing(() => trainStep(context, window, at))
    const plain = stepParts(context, window, at, steps)
    const counted: StepContext = {
      ...plain,
      backward: () => computing(() => plain.backward()),
      evaluateEach() {
        count.forwards += 1 / parts
        return plain.evaluateEach()
      },
    }
    const { loss, metrics } = strategy ? strategy.step(counted, next) : next()
    count.kept += metrics['hybrid_accepted'] ?? 0
    count.predicted += metrics['hybrid_moved'] ?? metrics['predicted'] ?? 0
    if (!isComputed) return
    windows++
    losses.push(loss)
    gradNorms.push(metrics['grad_norm'] ?? 0)
  }
  const before = process.cpuUsage()
  const began = performance.now()
  const failure = failureOf(() => {
    for (let step = 0; step < steps; step++) oneStep(step)
  })
  const seconds = (performance.now() - began) / 1000
  const { user, system } = process.cpuUsage(before)
  const lossOn = (rows: readonly Batch[]): number =>
    failure === null ? evaluateLoss({ model, device }, rows).loss : Infinity
  return {
    ...count,
    chosenBy: lossOn(task.chosenBy),
    reported: lossOn(task.reported),
    probed: run.probe ? lossOn(run.probe) : Infinity,
    seconds,
    cpuSeconds: (user + system) / 1e6,
    losses,
    gradNorms,
    failure,
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function failureOf(work: () => void): string | null {
  try {
    work()
    return null
  } catch (error) {
    if (error instanceof TrituneError && error.code === 'E_NAN') return error.message
    throw error
  }
}
