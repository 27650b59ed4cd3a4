/**
 * Strategies around the step of the trainer, nested like the layers of an onion; each result is checked.
 */
import { type StepContext, type StepResult, type Strategy, TrituneError } from '../../core/mod.ts'
import type { NamedPart } from './run.ts'

/** Runs a step through all strategies, outermost first. E_PLUGIN when one returns something that is not a result. */
export function runStrategies(
  strategies: readonly NamedPart<Strategy>[],
  context: StepContext,
  step: () => StepResult,
): StepResult {
  const [outer, ...inner] = strategies
  if (outer === undefined) return step()
  const result: unknown = outer.part.step(context, () => runStrategies(inner, context, step))
  if (isResult(result)) return result
  throw new TrituneError(
    'E_PLUGIN',
    `the strategy ${outer.name} returned ${result instanceof Promise ? 'a promise' : 'no step result'}`,
    { remedy: 'a step is synchronous and returns { loss, metrics }: return next() for a full step' },
  )
}

function isResult(value: unknown): value is StepResult {
  if (typeof value !== 'object' || value === null || !('loss' in value) || !('metrics' in value)) return false
  return typeof value.loss === 'number' && typeof value.metrics === 'object' && value.metrics !== null
}
