/**
 * Objective: the loss of a batch, as a value. Linear cross-entropy is the first one (plugins/finetune/training/cross-entropy.ts).
 *
 * The trainer gives `scale` = 1 / (trained tokens of the whole accumulation window), so that the loss is a mean over those tokens whatever the split
 * into micro-batches: an objective returns Σ (loss of a token) · scale. One that is `averagedOver: 'examples'` gets 1 / (examples of the window)
 * and returns Σ (loss of an example) · scale.
 */
import type { Tensor } from '../tensor/tensor.ts'
import type { ValidatableConfig } from './config.ts'
import type { ExampleKind, TokenizedExample } from './dataset.ts'
import type { Model, TokenBatch } from './model.ts'
import type { Stateful } from './stateful.ts'

/** What the loss is taken of: the tokens of one micro-batch and what is to be predicted at each. */
export interface ObjectiveBatch {
  readonly tokens: TokenBatch
  /** (T) i32: the token to predict at each position, −100 where nothing is trained. */
  readonly targets: Tensor
  /** How many targets are not −100. */
  readonly trainedTokens: number
  /** What it was made of, in the order of the tokens: which documents belong together, and the numbers that belong to them. */
  readonly examples: readonly TokenizedExample[]
}

/** How the trainer wants the loss of one micro-batch. */
export interface ObjectiveOptions {
  /** Factor on the sum over tokens, or over examples. */
  readonly scale: number
  /**
   * The examples of all micro-batches of the window: one array for all of them. In an evaluation of the whole of it, where the loss is averaged
   * over examples, else of the micro-batch.
   */
  readonly window: readonly TokenizedExample[]
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

/** What an objective can look at before the first step: the run as it starts, also of one that is resumed. */
export interface ObjectiveStart {
  readonly model: Model
  readonly train: readonly TokenizedExample[]
  readonly validation: readonly TokenizedExample[]
  /** Rows of a micro-batch. */
  readonly microBatchSize: number
  /** Nothing is computed, as memory is measured: numbers may be anything. */
  readonly isRehearsal: boolean
  /** `fn` with the model as it was before the training: new adapters switched off. Before the first step only, where all weights are trained. */
  asReference<T>(fn: () => T): T
  /**
   * Numbers that follow from the model before the training and from these examples: those of an earlier run where `dataset_prepared_path` has
   * them, else what `compute` gives, which is then kept there.
   */
  remembered(name: string, examples: readonly TokenizedExample[], compute: () => Float32Array): Float32Array
  /** Another model, frozen, on the device of the run and in its dtype, by folder or .gguf file; the objective disposes it. */
  openModel(path: string): Model
}

/**
 * A loss, with whatever it keeps between steps. `loss` returns Σ (loss of a token) · `scale` over the trained tokens
 * of the batch (or Σ over its examples), so that micro-batches add up.
 */
export interface Objective extends Stateful, Partial<Disposable> {
  readonly name: string
  /** What `scale` counts; not given: trained tokens. */
  readonly averagedOver?: 'tokens' | 'examples'
  /** Called once, before the first step. Gives what is worth saying. E_DATA for examples that the loss cannot be taken of. */
  prepare?(start: ObjectiveStart): readonly string[]
  loss(model: Model, batch: ObjectiveBatch, options: ObjectiveOptions): ObjectiveResult
}

/**
 * An objective that plugins provide by name: `objective: cross_entropy` of a run's file. `create` gets options that
 * `options` has checked.
 */
export interface ObjectiveDefinition<O = unknown> {
  readonly name: string
  /** What its examples are; not given: documents. */
  readonly takes?: ExampleKind
  readonly options: ValidatableConfig<O>
  create(options: O): Objective
}
