/**
 * Branches of a run from its initial state: each trains a few steps at a rate that ends at 0, is measured, and everything is put back.
 */
import { TrituneError, withEvaluationWeights } from '../../../core/mod.ts'
import { branchSchedule, type LearningRateSearchOptions } from '../../autotune/mod.ts'
import { openActivationStore } from '../memory/activation-offloading.ts'
import type { Run } from '../run.ts'
import { evaluateLoss } from '../training/evaluate.ts'
import { runStrategies } from '../training/strategies.ts'
import { stepParts, trainStep } from '../training/train-step.ts'
import { windowOf } from '../training/window-of.ts'
import type { Probe } from './probe.ts'
import { initialState, trialContext } from './trial.ts'

/** Above so many times the first loss a branch is given up. */
const LOST = 3

/** Branches of one run. */
export interface Branches extends Pick<LearningRateSearchOptions, 'start' | 'branch'> {
  /** Steps that all of them have made. */
  steps(): number
}

/** Of a run that has made no step; it is as it was after each branch. */
export function createBranches(run: Run, probe: Probe): Branches {
  const restore = initialState(run)
  const measure = (): number =>
    withEvaluationWeights(run.optimizer, () => evaluateLoss(run, probe.batches).loss)
  const start = measure()
  let made = 0
  const train = async (rate: number, steps: number): Promise<number | null> => {
    using activations = openActivationStore(run)
    const { plan, strategies } = run
    const context = trialContext(run, activations)
    const factor = branchSchedule(steps)
    for (let step = 0; step < steps; step++) {
      const { micro } = await windowOf(run, step)
      const at = { step, learningRate: rate * factor(step), checks: [] }
      const { loss } = runStrategies(strategies, stepParts(context, micro, at, plan.totalSteps), () =>
        trainStep(context, micro, at),
      )
      made++
      if (!(loss < LOST * Math.max(start, 1))) return null
    }
    return measure()
  }
  return {
    start,
    steps: () => made,
    async branch(rate, steps) {
      try {
        return await train(rate, steps)
      } catch (error) {
        if (error instanceof TrituneError && error.code === 'E_NAN') return null
        throw error
      } finally {
        restore()
      }
    },
  }
}
