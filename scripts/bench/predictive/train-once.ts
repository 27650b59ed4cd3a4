/**
 * One annealed run of a LoRA on a model, and what it took: passes are counted, not assumed.
 */
import {
  adamw,
  chain,
  clipByGlobalNorm,
  cosineSchedule,
  type Device,
  flatGradients,
  TrituneError,
} from '../../../core/mod.ts'
import { evaluateLoss, stepParts, trainStep } from '../../../plugins/finetune/mod.ts'
import { createHybrid } from '../../../plugins/hybrid/strategy.ts'
import { hybridOptions } from '../../../plugins/hybrid/options.ts'
import { loadModel } from '../../../plugins/models/mod.ts'
import { attachLora } from '../../../plugins/peft/mod.ts'
import type { Batch } from '../../../plugins/data/mod.ts'
import type { Task } from '../compression/task.ts'
import { type Method, placeboArm } from './methods.ts'

/** What is trained. */
export interface TrainedRun {
  readonly base: string
  readonly task: Task
  readonly method: Method
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
  /** Passes over the rows of a step. */
  readonly forwards: number
  readonly backwards: number
  readonly seconds: number
  /** Guesses that were kept. */
  readonly kept: number
}

/** In forward passes; backward costs as much where the frozen weights need no gradient. */
export function unitsOf({ forwards, backwards }: Pick<Outcome, 'forwards' | 'backwards'>): number {
  return forwards + backwards
}

export function trainOnce({
  base,
  task,
  method,
  steps,
  learningRate,
  seed,
  device,
  ...run
}: TrainedRun): Outcome {
  using model = loadModel(base, { device })
  using adapter = attachLora(model, { rank: 16, alpha: 32, targetModules: 'all-linear', seed })
  const { parameters } = adapter
  using gradients = flatGradients(parameters)
  using optimizer = chain(clipByGlobalNorm(1), adamw()).init(parameters)
  const strategy =
    method.hybrid === null
      ? null
      : createHybrid(
          hybridOptions.validate(method.hybrid),
          { model, parameters, totalSteps: steps, seed },
          method.isPlacebo ? { arms: () => [placeboArm(seed)] } : {},
        )
  using _closed = { [Symbol.dispose]: () => strategy?.[Symbol.dispose]?.() }
  const context = { model, device, parameters, gradients, optimizer, checkpointing: false, seed }
  const schedule =
    run.schedule ?? cosineSchedule({ totalSteps: steps, warmupSteps: Math.floor(0.03 * steps) })
  let [forwards, backwards, kept] = [0, 0, 0]
  const began = performance.now()
  const isFinite = finished(() => {
    for (let step = 0; step < steps; step++) {
      const window = [task.rowsOf(step, 0, 1)]
      const at = { step, learningRate: learningRate * schedule(step) }
      const parts = stepParts(context, window, at, steps)
      const next = (): ReturnType<typeof trainStep> => {
        forwards++
        backwards++
        return trainStep(context, window, at)
      }
      const counted = {
        ...parts,
        evaluateEach() {
          forwards++
          return parts.evaluateEach()
        },
      }
      const { metrics } = strategy ? strategy.step(counted, next) : next()
      kept += metrics['hybrid_accepted'] ?? 0
    }
  })
  const seconds = (performance.now() - began) / 1000
  const loss = (rows: readonly Batch[]): number =>
    isFinite ? evaluateLoss({ model, device }, rows).loss : Infinity
  const [chosenBy, reported] = [loss(task.chosenBy), loss(task.reported)]
  return {
    chosenBy,
    reported,
    probed: run.probe ? loss(run.probe) : Infinity,
    forwards,
    backwards,
    seconds,
    kept,
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function finished(work: () => void): boolean {
  try {
    work()
    return true
  } catch (error) {
    if (error instanceof TrituneError && error.code === 'E_NAN') return false
    throw error
  }
}
