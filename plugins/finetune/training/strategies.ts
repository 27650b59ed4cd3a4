/**
 * Strategies around the step of the trainer, nested like the layers of an onion; each result is checked.
 */
import {
  pluginFailure,
  type StepContext,
  type StepResult,
  type Strategy,
  TrituneError,
} from '../../../core/mod.ts'
import type { NamedPart } from '../run.ts'

/** Runs a step through all strategies, outermost first. E_PLUGIN when one returns something that is not a result. */
export function runStrategies(
  strategies: readonly NamedPart<Strategy>[],
  context: StepContext,
  step: () => StepResult,
): StepResult {
  const [outer, ...inner] = strategies
  if (outer === undefined) return step()
  // What fails inside of next() is not the fault of this one.
  const fromInside = new Set<unknown>()
  const next = (): StepResult => {
    try {
      return runStrategies(inner, context, step)
    } catch (error) {
      fromInside.add(error)
      throw error
    }
  }
  let result: unknown
  try {
    result = outer.part.step(context, next)
  } catch (error) {
    if (error instanceof TrituneError || fromInside.has(error)) throw error
    throw pluginFailure(`the strategy ${outer.name}`, error)
  }
  if (isResult(result)) return result
  throw new TrituneError(
    'E_PLUGIN',
    `the strategy ${outer.name} returned ${result instanceof Promise ? 'a promise' : 'no step result'}`,
    {
      remedy:
        'a step is synchronous and returns { loss, metrics }, all numbers: return next() for a full step',
    },
  )
}

function isResult(value: unknown): value is StepResult {
  if (typeof value !== 'object' || value === null || !('loss' in value) || !('metrics' in value)) return false
  if (typeof value.loss !== 'number' || typeof value.metrics !== 'object' || value.metrics === null)
    return false
  return Object.values(value.metrics).every((metric) => typeof metric === 'number')
}
