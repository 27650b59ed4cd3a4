/**
 * Strategy: wraps the training step. It calls `next()` for the step as it is, or makes a step of the parts.
 *
 *   step({ backward, update }, next) {
 *     if (isEasy()) return next()                    // forward, backward, update
 *     const loss = backward()                        // gradients lie in parameter.grad
 *     double(gradients)
 *     return { loss, metrics: update() }
 *   }
 *
 * Synchronous: a step lies inside tensor scopes. Several strategies nest, the first in the list is the outermost.
 */
import type { Parameters } from '../optim/transform.ts'
import type { ValidatableConfig } from './config.ts'
import type { Model } from './model.ts'
import type { Stateful } from './stateful.ts'

/** What a step has found out before it changes anything. */
export interface BeforeUpdate {
  /** Mean loss over the trained tokens of the window, in nats. */
  readonly loss: number
  /** Global norm of the gradients before clipping. */
  readonly gradNorm: number
}

/** What the learning rate of this step is multiplied by; 0: weights and moments stay as they are. */
export type UpdateCheck = (found: BeforeUpdate) => number

/** One training step, in parts: what a strategy can look at and call. */
export interface StepContext {
  /** 0-based number of the step. */
  readonly step: number
  readonly totalSteps: number
  readonly learningRate: number
  readonly model: Model
  /** What is trained; `grad` of each is its gradient after `backward()`. */
  readonly parameters: Parameters
  /** The loss of the window without gradients and without dropout; nothing changes. */
  evaluate(): number
  /**
   * The same of each example of the window by itself, in their order: for comparing weights pair by pair. Those without a trained token
   * are left out.
   */
  evaluateEach(): readonly number[]
  /** Clears the gradients, then forward and backward of the whole window; the loss. E_NAN when it is not finite. */
  backward(): number
  /** Transforms and optimizer on the gradients that are there; what they report. E_NAN when the norm is not finite. */
  update(): Readonly<Record<string, number>>
  /**
   * Asks `check` before the update of this step, whoever makes it, for a factor on its learning rate. It may change weights itself. Not asked
   * where the loss or the norm is not finite: that is E_NAN.
   */
  beforeUpdate(check: UpdateCheck): void
}

/** What a step reports. */
export interface StepResult {
  /** Mean loss over the trained tokens of the window, in nats. */
  readonly loss: number
  readonly metrics: Readonly<Record<string, number>>
}

/** Wraps the training step: calls `next()` for the step as it is, or makes one of the parts in `context`. */
export interface Strategy extends Stateful, Partial<Disposable> {
  /** Bytes of the host that it takes at its highest beside `tensors()`, for the estimate of a run; default: 0. */
  readonly scratchBytes?: number
  step(context: StepContext, next: () => StepResult): StepResult
}

/** What a strategy may need to know when it is made. */
export interface StrategyRun {
  readonly model: Model
  readonly parameters: Parameters
  readonly totalSteps: number
  readonly seed: number
}

/**
 * A strategy that plugins provide by name: `strategy: skip-easy` of a run's file. `create` gets options that `options`
 * has checked.
 */
export interface StrategyDefinition<O = unknown> {
  readonly name: string
  readonly options: ValidatableConfig<O>
  create(options: O, run: StrategyRun): Strategy
}
