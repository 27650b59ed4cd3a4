/**
 * The strategy `hybrid`: between plain steps a move of the weights is proposed, measured on examples that the run has not seen yet, and kept or taken
 * back. Every step is still a real one; the optimizer never learns of a move.
 */
import {
  type JsonValue,
  jsonField,
  type StepContext,
  type StepResult,
  type Strategy,
  type StrategyDefinition,
  type StrategyRun,
  TrituneError,
} from '../../core/mod.ts'
import { type Arm, HYBRID_ARMS, armsOf } from './arms.ts'
import { type Bandit, createBandit } from './bandit.ts'
import { type FlatWeights, flatWeights } from './flat-weights.ts'
import { pairedGate } from './gate.ts'
import { createGuard } from './guard.ts'
import { createJump } from './jump.ts'
import { createLedger, GATE_COST, STEP_COST } from './ledger.ts'
import { type HybridOptions, hybridOptions } from './options.ts'
import { createPhases, type Phase } from './phases.ts'
import { createSnapshots, SPACING } from './snapshots.ts'

/** Below this part of the highest learning rate so far, the end of the schedule does better than any guess. */
const LOWEST_RATE = 0.2

/** A single episode says no more than this. */
const HIGHEST_REWARD = 3

/** Steps after which an accepted move is measured once more. */
const CHECK_AFTER = 3

/** Who watches a hybrid run, what it guesses instead of its own arms, and how it chooses: for tests and comparisons. */
export interface HybridWatch {
  onPhase?(from: Phase, to: Phase): void
  arms?(weights: FlatWeights): readonly Arm[]
  bandit?(names: readonly string[]): Bandit
}

/** A strategy of plain steps and measured guesses. */
export function createHybrid(options: HybridOptions, run: StrategyRun, watch: HybridWatch = {}): Strategy {
  const { arm: asked, every, exploration, confidence } = options
  const weights = flatWeights(run.parameters)
  if (asked === 'none') return guardedSteps(weights)
  const warmup = options.warmup ?? Math.max(20, Math.ceil(0.03 * run.totalSteps))
  const arms = watch.arms?.(weights) ?? armsOf(asked === 'auto' ? HYBRID_ARMS : [asked], weights)
  const phases = createPhases((from, to) => watch.onPhase?.(from, to))
  const names = arms.map(({ name }) => name)
  const bandit = watch.bandit?.(names) ?? createBandit(names, run.seed)
  const ledger = createLedger()
  const snapshots = createSnapshots(weights.size)
  const jump = createJump(weights)
  const guard = createGuard(weights, () => {
    // What went before led away from here.
    snapshots.taken = 0
    jump.forget()
  })
  let highestRate = 0
  let episodes = 0
  let lastEpisode = -every
  let isOff = false

  const ready = (): string[] =>
    arms.flatMap(({ name, needs }) => (needs <= snapshots.count && !bandit.isOff(name) ? [name] : []))
  const proposes = ({ step, learningRate }: StepContext): boolean =>
    phases.now === 'full' &&
    !isOff &&
    jump.at === null &&
    step - lastEpisode >= every &&
    learningRate > LOWEST_RATE * highestRate &&
    ready().length > 0 &&
    (bandit.pays || ledger.affords(exploration))

  /** Whether the move is kept. */
  const predict = (context: StepContext): Record<string, number> => {
    phases.enter('predict')
    const name = bandit.choose(ready(), episodes++)
    const arm = arms.find((one) => one.name === name)
    if (arm === undefined) throw new Error(`there is no arm ${name}`)
    lastEpisode = context.step
    const plain = ledger.plainGain()
    const before = measured(context)
    jump.make(context.step, (move) => arm.propose(snapshots, move))
    const { accepted, gain } = pairedGate(before, context.evaluateEach(), {
      confidence,
      plainGain: GATE_COST * plain,
    })
    ledger.measured()
    if (!accepted) jump.undo()
    const steps = (accepted ? gain / Math.max(plain, 1e-12) : 0) + STEP_COST
    bandit.reward(name, Math.min(HIGHEST_REWARD, steps / (STEP_COST + GATE_COST)))
    bandit.compare(name, arm.steps * STEP_COST * plain, gain)
    isOff ||= bandit.hopeless
    phases.enter(accepted ? 'correct' : 'full')
    return {
      hybrid_accepted: accepted ? 1 : 0,
      hybrid_moved: accepted ? arm.steps : 0,
      hybrid_gain: Number.isFinite(gain) ? gain : 0,
      hybrid_arms_off: arms.filter((one) => bandit.isOff(one.name)).length,
      hybrid_off: isOff ? 1 : 0,
    }
  }

  /** A move that the steps after it do not bear out is taken back. */
  const check = (context: StepContext): Record<string, number> => {
    const kept = measured(context)
    jump.leaveOut()
    const { accepted: isBetter } = pairedGate(kept, context.evaluateEach(), { confidence: 2, plainGain: 0 })
    ledger.measured()
    if (isBetter) jump.forget()
    else jump.putBack()
    return { hybrid_taken_back: isBetter ? 1 : 0 }
  }

  /** The step after a move; where it gives NaN, the move was wrong, and the step is made without it. */
  const correct = (next: () => StepResult): StepResult => {
    const undoing = (): StepResult => {
      try {
        return next()
      } catch (error) {
        if (!(error instanceof TrituneError) || error.code !== 'E_NAN' || jump.at === null) throw error
        jump.undo()
        return withMetrics({ hybrid_taken_back: 1 }, next())
      }
    }
    try {
      return guard.make(undoing)
    } finally {
      phases.enter('full')
    }
  }

  const around = (context: StepContext, next: () => StepResult): StepResult => {
    if (jump.at !== null && context.step - jump.at >= CHECK_AFTER)
      return withMetrics(check(context), guard.make(next))
    if (!proposes(context)) return guard.make(next)
    const metrics = predict(context)
    return withMetrics(metrics, phases.now === 'correct' ? correct(next) : guard.make(next))
  }

  return {
    step(context, next) {
      highestRate = Math.max(highestRate, context.learningRate)
      guard.watch(context)
      const result = around(context, next)
      ledger.step(result.loss)
      if ((context.step + 1) % SPACING === 0) weights.read(snapshots.next())
      if (phases.now === 'warmup' && context.step + 1 >= warmup) phases.enter('full')
      return result
    },
    // Before the last move, and after it; and before the last steps.
    scratchBytes: jump.scratchBytes + guard.scratchBytes,
    tensors: () => new Map([['snapshots', snapshots.tensor], ...jump.tensors(), ['fine', guard.tensor]]),
    saveState: () => ({
      phase: phases.now,
      taken: snapshots.taken,
      highestRate,
      episodes,
      lastEpisode,
      isOff,
      jump: jump.at,
      bandit: bandit.saveState(),
      ledger: ledger.saveState(),
      guard: guard.saveState(),
    }),
    loadState(saved) {
      phases.restore(phaseOf(jsonField(saved, 'phase')))
      snapshots.taken = Number(jsonField(saved, 'taken'))
      highestRate = Number(jsonField(saved, 'highestRate'))
      episodes = Number(jsonField(saved, 'episodes'))
      lastEpisode = Number(jsonField(saved, 'lastEpisode'))
      isOff = jsonField(saved, 'isOff') === true
      const at = jsonField(saved, 'jump')
      jump.at = typeof at === 'number' ? at : null
      bandit.loadState(jsonField(saved, 'bandit'))
      ledger.loadState(jsonField(saved, 'ledger'))
      guard.loadState(jsonField(saved, 'guard'))
    },
    [Symbol.dispose]() {
      snapshots[Symbol.dispose]()
      jump[Symbol.dispose]()
      guard[Symbol.dispose]()
    },
  }
}

/** Plain steps, watched. */
function guardedSteps(weights: FlatWeights): Strategy {
  const guard = createGuard(weights, () => {})
  return {
    step(context, next) {
      guard.watch(context)
      return guard.make(next)
    },
    scratchBytes: guard.scratchBytes,
    tensors: () => new Map([['fine', guard.tensor]]),
    saveState: () => ({ guard: guard.saveState() }),
    loadState: (saved) => guard.loadState(jsonField(saved, 'guard')),
    [Symbol.dispose]: () => guard[Symbol.dispose](),
  }
}

/** `strategy: hybrid` of a run's file. */
export const hybridStrategy: StrategyDefinition<HybridOptions> = {
  name: 'hybrid',
  options: hybridOptions,
  create: (options, run) => createHybrid(options, run),
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function measured(context: StepContext): readonly number[] {
  const losses = context.evaluateEach()
  if (losses.length > 1) return losses
  throw new TrituneError('E_CONFIG', 'strategy: hybrid compares the examples of a step, and there is one', {
    place: 'strategy',
    remedy:
      'set micro_batch_size or gradient_accumulation_steps so that a step has 16 or more, or leave hybrid out',
  })
}

function withMetrics(metrics: Readonly<Record<string, number>>, result: StepResult): StepResult {
  return { ...result, metrics: { ...metrics, ...result.metrics } }
}

function phaseOf(saved: JsonValue): Phase {
  if (saved === 'warmup' || saved === 'full') return saved
  throw new TrituneError(
    'E_RESUME',
    `the checkpoint is in the phase ${JSON.stringify(saved)} of strategy: hybrid`,
    {
      remedy: 'resume from another checkpoint, or start a new run',
    },
  )
}
