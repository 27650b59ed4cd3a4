/**
 * The phase trainer under the names of tritter-accel: gradients by parameter. The machine and the predictor are plugins/vsa-optim's.
 */
import { type Shape, TrituneError } from '../../core/mod.ts'
import {
  phaseTrainer,
  type PhaseTrainer,
  type PhaseTrainerOptions,
  type TrainingPhase,
} from '../vsa-optim/mod.ts'

/** A name and a shape. */
export type ParameterShape = readonly [name: string, shape: Shape]

/** Options of `createTrainer()`: steps of each phase. */
export type TrainerOptions = Pick<PhaseTrainerOptions, 'warmup' | 'full' | 'predict' | 'correctEvery'>

/** A trainer of `createTrainer()`. */
export interface Trainer {
  readonly parameters: readonly ParameterShape[]
  readonly phases: PhaseTrainer
}

/** Numbers of each parameter, by name. */
export type NamedGradients = Readonly<Record<string, Float32Array>>

/** What a step is told. */
export interface TrainerStepInput {
  /** Needed in all phases but `predict`, where they are an error. */
  readonly gradients?: NamedGradients
  readonly loss?: number
}

/** What came of a step. */
export interface TrainerStepResult {
  /** Of this step. */
  readonly phase: TrainingPhase
  /** Whether the next step does. */
  readonly needsBackward: boolean
  readonly totalSteps: number
  readonly cycle: number
  /** Steps for each backward pass so far. A count: training is not so much faster. */
  readonly speedup: number
  /** In phase `predict`, what to train with; else null. */
  readonly predictedGradients: NamedGradients | null
  /** Mean of ‖computed − predicted‖ / ‖computed‖ where both were known; null before. */
  readonly meanPredictionError: number | null
}

/** What a trainer counted and measured. */
export interface TrainerStats {
  readonly totalSteps: number
  readonly warmupSteps: number
  readonly fullSteps: number
  readonly predictSteps: number
  readonly correctSteps: number
  readonly cycles: number
  /** Steps for each backward pass so far. */
  readonly speedup: number
  readonly meanPredictionError: number | null
  /** Mean cosine of predicted and computed gradients where both were known: near 0, predictions are noise. */
  readonly meanPredictionCosine: number | null
  readonly currentLoss: number | null
}

/**
 * A deterministic phase trainer for parameters of these shapes. Throws E_VALUE for an option out of its range, a name that is there twice, or
 * no parameters.
 *
 * @example
 * ```ts
 * import { createTrainer, trainerGetPhase, trainerGetStats, trainerStep } from 'tritune/plugins/accel'
 *
 * const trainer = createTrainer([['w', [2]]], { warmup: 2, full: 1, predict: 2 })
 * for (let t = 0; t < 5; t++) {
 *   const isPredicted = trainerGetPhase(trainer) === 'predict'
 *   const computed = { w: Float32Array.of(4 - t, t) }
 *   const { predictedGradients } = trainerStep(trainer, isPredicted ? {} : { gradients: computed })
 *   if (predictedGradients) console.log([...predictedGradients['w']].map(Math.round)) // → [ 1, 3 ]
 *                                                                                    // → [ 0, 4 ]
 * }
 * console.log(trainerGetStats(trainer).speedup.toFixed(2)) // → 1.67
 * ```
 */
export function createTrainer(parameters: readonly ParameterShape[], options: TrainerOptions = {}): Trainer {
  const names = new Set(parameters.map(([name]) => name))
  if (parameters.length === 0) throw new TrituneError('E_VALUE', 'createTrainer: there are no parameters')
  if (names.size < parameters.length)
    throw new TrituneError('E_VALUE', 'createTrainer: a parameter is there twice')
  const total = parameters.reduce((sum, [, shape]) => sum + sizeOf(shape), 0)
  return { parameters, phases: phaseTrainer(total, options) }
}

/**
 * One step. Throws E_USAGE where gradients are missing or not wanted, E_NAME, E_SHAPE and E_NAN for ones that do not fit; then nothing has
 * changed.
 */
export function trainerStep(trainer: Trainer, { gradients, loss }: TrainerStepInput = {}): TrainerStepResult {
  const { phases, parameters } = trainer
  const given = gradients === undefined ? {} : { gradient: joined(parameters, gradients) }
  const { phase, gradient } = phases.step({ ...given, ...(loss === undefined ? {} : { loss }) })
  const { steps, cycles, stepsPerBackward, meanError } = phases.stats
  return {
    phase,
    needsBackward: phases.needsBackward,
    totalSteps: steps,
    cycle: cycles,
    speedup: stepsPerBackward,
    predictedGradients: phase === 'predict' ? apart(parameters, gradient) : null,
    meanPredictionError: meanError,
  }
}

/** The phase of the next step: all but `predict` need gradients. */
export function trainerGetPhase({ phases }: Trainer): TrainingPhase {
  return phases.phase
}

/** What was counted and measured so far. */
export function trainerGetStats({ phases }: Trainer): TrainerStats {
  const { steps, counts, cycles, stepsPerBackward, meanError, meanCosine, lastLoss } = phases.stats
  return {
    totalSteps: steps,
    warmupSteps: counts.warmup,
    fullSteps: counts.full,
    predictSteps: counts.predict,
    correctSteps: counts.correct,
    cycles,
    speedup: stepsPerBackward,
    meanPredictionError: meanError,
    meanPredictionCosine: meanCosine,
    currentLoss: lastLoss,
  }
}

/** Back to the first step of the warm-up, with nothing remembered. */
export function trainerReset({ phases }: Trainer): void {
  phases.reset()
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function sizeOf(shape: Shape): number {
  return shape.reduce((product, size) => product * size, 1)
}

function joined(parameters: readonly ParameterShape[], gradients: NamedGradients): Float32Array {
  const extra = Object.keys(gradients).find((name) => parameters.every(([known]) => known !== name))
  if (extra !== undefined)
    throw new TrituneError('E_NAME', `there is no parameter "${extra}"`, {
      remedy: `parameters: ${parameters.map(([name]) => name).join(', ')}`,
    })
  const all = new Float32Array(parameters.reduce((sum, [, shape]) => sum + sizeOf(shape), 0))
  let at = 0
  for (const [name, shape] of parameters) {
    if (!Object.hasOwn(gradients, name))
      throw new TrituneError('E_NAME', `the gradient of "${name}" is missing`)
    const { length } = gradients[name]
    if (length !== sizeOf(shape))
      throw new TrituneError(
        'E_SHAPE',
        `the gradient of "${name}" has ${length} numbers, (${shape.join(', ')}) has ${sizeOf(shape)}`,
      )
    all.set(gradients[name], at)
    at += length
  }
  return all
}

function apart(parameters: readonly ParameterShape[], all: Float32Array): NamedGradients {
  let at = 0
  return Object.fromEntries(parameters.map(([name, shape]) => [name, all.slice(at, (at += sizeOf(shape)))]))
}
