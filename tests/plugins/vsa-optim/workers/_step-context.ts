/**
 * The context of a step for a strategy that looks at its number alone.
 */
import type { Parameters, StepContext } from '../../../../core/mod.ts'

export function contextOf(step: number, totalSteps: number, parameters: Parameters): StepContext {
  const unused = (): never => {
    throw new Error('not of this strategy')
  }
  return {
    step,
    totalSteps,
    parameters,
    learningRate: 1,
    get model() {
      return unused()
    },
    evaluate: unused,
    evaluateEach: unused,
    backward: unused,
    update: unused,
    beforeUpdate: unused,
  }
}
