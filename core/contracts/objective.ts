/**
 * Objective: the loss of a batch, as a value. Linear cross-entropy is the first one (plugins/finetune/training/cross-entropy.ts).
 *
 * The trainer gives `scale` = 1 / (trained tokens of the whole accumulation window), so that the loss is a mean over those tokens whatever the split
 * into micro-batches: an objective returns Σ (loss of a token) · scale.
 */
import type { Tensor } from '../tensor/tensor.ts'
import type { ValidatableConfig } from './config.ts'
import type { Model, TokenBatch } from './model.ts'
import type { Stateful } from './stateful.ts'

/** What the loss is taken of: the tokens of one micro-batch and what is to be predicted at each. */
export interface ObjectiveBatch {
  readonly tokens: TokenBatch
  /** (T) i32: the token to predict at each position, −100 where nothing is trained. */
  readonly targets: Tensor
  /** How many targets are not −100. */
  readonly trainedTokens: number
}

/** How the trainer wants the loss of one micro-batch. */
export interface ObjectiveOptions {
  /** Factor on the sum over tokens. */
  readonly scale: number
  /** Recompute each block in the backward pass. */
  readonly checkpointing: boolean
  /** False in an evaluation: nothing is recorded. */
  readonly training: boolean
}

/** The loss of one micro-batch, and what else is worth reporting. */
export interface ObjectiveResult {
  /** () or (1) f32, of which `backward` is taken. */
  readonly loss: Tensor
  /** One-element tensors to report, by name; those of a window's micro-batches are added up, so scale them too. */
  readonly log?: Readonly<Record<string, Tensor>>
}

/**
 * A loss, with whatever it keeps between steps. `loss` returns Σ (loss of a token) · `scale` over the trained tokens
 * of the batch, so that micro-batches add up.
 */
export interface Objective extends Stateful, Partial<Disposable> {
  readonly name: string
  loss(model: Model, batch: ObjectiveBatch, options: ObjectiveOptions): ObjectiveResult
}

/**
 * An objective that plugins provide by name: `objective: cross_entropy` of a run's file. `create` gets options that
 * `options` has checked.
 */
export interface ObjectiveDefinition<O = unknown> {
  readonly name: string
  readonly options: ValidatableConfig<O>
  create(options: O): Objective
}
