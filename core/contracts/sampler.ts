/**
 * Sampler: the order in which the examples of an epoch are trained on.
 *
 * Every example comes once in an epoch. The trainer makes batches of the order; without a sampler it is a shuffle keyed by seed and epoch.
 */
import type { ValidatableConfig } from './config.ts'
import type { StepReport } from './run-event.ts'
import type { Stateful } from './stateful.ts'

/** Decides the order of the examples in each epoch: a curriculum, for instance. */
export interface Sampler extends Stateful, Partial<Disposable> {
  /** A permutation of 0 … n − 1 for an epoch, from 0. Called when the epoch begins, or resumes: it must then give the same. */
  order(epoch: number): Int32Array
  /** Told after each step: what a curriculum goes by. */
  onStep?(report: StepReport): void
}

/** What a sampler knows of a run: the examples' lengths, and the seed. */
export interface SamplerContext {
  /** Tokens of each example. */
  readonly lengths: readonly number[]
  readonly seed: number
}

/**
 * A sampler that plugins provide by name: `sampler: short-first` of a run's file. `create` gets options that `options`
 * has checked.
 */
export interface SamplerDefinition<O = unknown> {
  readonly name: string
  readonly options: ValidatableConfig<O>
  create(options: O, context: SamplerContext): Sampler
}
