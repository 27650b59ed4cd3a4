/**
 * The phase trainer of vsa-optim-rs, deterministic: some steps get a gradient that was predicted and not computed.
 *
 *   WARMUP ×warmup → { FULL ×full → PREDICT ×predict, with one CORRECT (a computed gradient) after every `correctEvery` steps of it }
 *
 * It counts passes, it does not make training faster: a predicted step sees no new data, so it acts as a longer step of what came before. So
 * `stepsPerBackward` is what it tells, with the cosine between predicted and computed gradients beside it.
 */
import { expectInteger } from '../../../core/tensor/expect.ts'
import { TrituneError } from '../../../core/mod.ts'
import { compareGradients } from '../compare-gradients.ts'
import { type GradientLine, gradientLine } from './gradient-line.ts'

/** What a step is. All but `predict` need a gradient of a backward pass. */
export type TrainingPhase = 'warmup' | 'full' | 'predict' | 'correct'

/** Options of `phaseTrainer()`: steps of each phase, and the line that predicts. */
export interface PhaseTrainerOptions {
  /** At least 1; default 10. */
  readonly warmup?: number
  /** At least 1; default 5. */
  readonly full?: number
  /** 0 or more; default 20. */
  readonly predict?: number
  /** At least 1; default 5. */
  readonly correctEvery?: number
  /** Gradients that are remembered, all of the parameters each; default 8. */
  readonly window?: number
  /** Above 0, at most 1; default 0.95. */
  readonly decay?: number
  /** Predicts the weighted mean of those gradients instead of going on along a line; default false. */
  readonly isFlat?: boolean
}

/** What was counted and measured. */
export interface PhaseStats {
  readonly steps: number
  /** Steps of each phase. */
  readonly counts: Readonly<Record<TrainingPhase, number>>
  /** Times that `full` began again. */
  readonly cycles: number
  readonly backwardPasses: number
  /** steps / backwardPasses: a count, no speed. 1 before the first step. */
  readonly stepsPerBackward: number
  /** Mean over `correct` steps of ‖computed − predicted‖ / ‖computed‖; null before the first. */
  readonly meanError: number | null
  /** Mean over `correct` steps of their cosine; null before the first. */
  readonly meanCosine: number | null
  /** Of the last step that told one; null before. */
  readonly lastLoss: number | null
}

/** What a step is told: its loss if known, and the gradient where the phase needs one. */
export interface PhaseStepInput {
  readonly gradient?: Float32Array
  readonly loss?: number
}

/** What came of a step. */
export interface PhaseStep {
  readonly phase: TrainingPhase
  /** What to train with: the given one, or the predicted one. */
  readonly gradient: Float32Array
}

/** Decides which steps need a backward pass, and predicts the gradients of the others. */
export interface PhaseTrainer {
  /** Of the next step. */
  readonly phase: TrainingPhase
  readonly needsBackward: boolean
  readonly stats: PhaseStats
  /** Throws E_SHAPE, E_NAN for a gradient that does not fit, E_USAGE where one is missing or not wanted; then nothing has changed. */
  step(input?: PhaseStepInput): PhaseStep
  reset(): void
}

/**
 * A trainer of phases for all parameters in one gradient of `length` numbers.
 *
 * @example
 * ```ts
 * import { phaseTrainer } from 'tritune/plugins/vsa-optim'
 *
 * const trainer = phaseTrainer(1, { warmup: 2, full: 1, predict: 2, correctEvery: 5 })
 * const told: string[] = []
 * for (let t = 0; t < 5; t++) {
 *   const gradient = Float32Array.of(10 - t) // falls by 1 a step
 *   const step = trainer.step(trainer.needsBackward ? { gradient } : {})
 *   told.push(`${step.phase} ${step.gradient[0].toFixed(0)}`)
 * }
 * console.log(told.join(', ')) // → warmup 10, warmup 9, full 8, predict 7, predict 6
 * ```
 */
export function phaseTrainer(length: number, options: PhaseTrainerOptions = {}): PhaseTrainer {
  const {
    warmup = 10,
    full = 5,
    predict = 20,
    correctEvery = 5,
    window = 8,
    decay = 0.95,
    isFlat = false,
  } = options
  expectInteger('phaseTrainer', 'length', length, { min: 1 })
  for (const [name, value] of Object.entries({ warmup, full, correctEvery, window }))
    expectInteger('phaseTrainer', name, value, { min: 1 })
  expectInteger('phaseTrainer', 'predict', predict)
  if (!(decay > 0 && decay <= 1))
    throw new TrituneError('E_VALUE', `phaseTrainer: decay must be above 0 and at most 1, got ${decay}`)

  let state = fresh()

  function fresh(): TrainerState {
    return {
      phase: 'warmup',
      inPhase: 0,
      steps: 0,
      counts: { warmup: 0, full: 0, predict: 0, correct: 0 },
      cycles: 0,
      compared: { count: 0, error: 0, cosine: 0 },
      lastLoss: null,
      line: gradientLine(length, { window, decay, isFlat }),
    }
  }

  /** The phase of the step after this one. */
  function advance(): void {
    state.inPhase++
    const { phase, inPhase } = state
    if (phase === 'warmup' && inPhase >= warmup) enter('full')
    else if (phase === 'full' && inPhase >= full && predict > 0) {
      state.line.fit()
      enter('predict')
    } else if (phase === 'predict' && inPhase % correctEvery === 0) state.phase = 'correct'
    else if (phase === 'predict' && inPhase >= predict) enter('full')
    else if (phase === 'correct') {
      if (inPhase < predict) state.phase = 'predict'
      else enter('full')
    }
  }

  function enter(phase: TrainingPhase): void {
    if (phase === 'full' && state.phase !== 'warmup') state.cycles++
    state.phase = phase
    state.inPhase = 0
  }

  return {
    get phase() {
      return state.phase
    },
    get needsBackward() {
      return state.phase !== 'predict'
    },
    get stats() {
      const { steps, counts, cycles, compared, lastLoss } = state
      const backwardPasses = steps - counts.predict
      const mean = (sum: number): number | null => (compared.count === 0 ? null : sum / compared.count)
      return {
        steps,
        counts: { ...counts },
        cycles,
        backwardPasses,
        stepsPerBackward: steps === 0 ? 1 : steps / backwardPasses,
        meanError: mean(compared.error),
        meanCosine: mean(compared.cosine),
        lastLoss,
      }
    },
    step({ gradient: given, loss } = {}) {
      const { phase, steps, line } = state
      const gradient = phase === 'predict' ? expectNone(given) : expectGradient(given, length, phase)
      if (loss !== undefined && !Number.isFinite(loss))
        throw new TrituneError('E_NAN', `the loss of step ${steps} is ${loss}`)
      const applied = gradient ?? line.predict(steps)
      if (gradient && phase === 'correct') {
        const { error, cosine } = compareGradients(gradient, line.predict(steps))
        state.compared.count++
        state.compared.error += error
        state.compared.cosine += cosine
        line.correct(gradient, steps)
      } else if (gradient) line.add(gradient, steps)
      state.counts[phase]++
      if (loss !== undefined) state.lastLoss = loss
      state.steps++
      advance()
      return { phase, gradient: applied }
    },
    reset() {
      state = fresh()
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

interface TrainerState {
  phase: TrainingPhase
  /** Steps of this phase; those of predict and correct count together. */
  inPhase: number
  steps: number
  readonly counts: Record<TrainingPhase, number>
  cycles: number
  readonly compared: { count: number; error: number; cosine: number }
  lastLoss: number | null
  readonly line: GradientLine
}

function expectNone(gradient: Float32Array | undefined): null {
  if (gradient === undefined) return null
  throw new TrituneError('E_USAGE', 'this step is predicted and takes no gradient', {
    remedy: 'ask for the phase before the backward pass',
  })
}

function expectGradient(
  gradient: Float32Array | undefined,
  length: number,
  phase: TrainingPhase,
): Float32Array {
  if (gradient === undefined)
    throw new TrituneError('E_USAGE', `a step of phase ${phase} needs a gradient`, {
      remedy: 'ask for the phase before the step',
    })
  if (gradient.length !== length)
    throw new TrituneError('E_SHAPE', `the gradient has ${gradient.length} numbers, the parameters ${length}`)
  const bad = gradient.findIndex((value) => !Number.isFinite(value))
  if (bad >= 0) throw new TrituneError('E_NAN', `number ${bad} of the gradient is ${gradient[bad]}`)
  return gradient
}
