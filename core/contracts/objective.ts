/**
 * Objective: the loss of a batch, as a value. Linear cross-entropy is the first one (plugins/finetune/cross-entropy.ts).
 *
 * The trainer gives `scale` = 1 / (trained tokens of the whole accumulation window), so that the loss is a mean over those tokens whatever the split
 * into micro-batches: an objective returns Σ (loss of a token) · scale.
 */
import type { Tensor } from '../tensor/tensor.ts'
import type { ValidatableConfig } from './config.ts'
import type { Model, TokenBatch } from './model.ts'
import type { Stateful } from './stateful.ts'

export interface ObjectiveBatch {
  readonly tokens: TokenBatch
  /** (T) i32: the token to predict at each position, −100 where nothing is trained. */
  readonly targets: Tensor
  /** How many targets are not −100. */
  readonly trainedTokens: number
}

export interface ObjectiveOptions {
  /** Factor on the sum over tokens. */
  readonly scale: number
  /** Recompute each block in the backward pass. */
  readonly checkpointing: boolean
  /** False in an evaluation: nothing is recorded. */
  readonly training: boolean
}

export interface ObjectiveResult {
  /** () or (1) f32, of which `backward` is taken. */
  readonly loss: Tensor
  /** One-element tensors to report, by name; those of a window's micro-batches are added up, so scale them too. */
  readonly log?: Readonly<Record<string, Tensor>>
}

export interface Objective extends Stateful, Partial<Disposable> {
  readonly name: string
  loss(model: Model, batch: ObjectiveBatch, options: ObjectiveOptions): ObjectiveResult
}

export interface ObjectiveDefinition<O = unknown> {
  readonly name: string
  readonly options: ValidatableConfig<O>
  create(options: O): Objective
}
