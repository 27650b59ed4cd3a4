/**
 * AdapterDefinition: how an adapter is made from options, for one layer, for layers that share something, or for a model.
 */
import type { OptimizerStep } from '../optim/transform.ts'
import type { Tensor } from '../tensor/tensor.ts'
import type { Adapter, ModelAdapter } from './adapter.ts'
import type { BaseLayer, LayerKind } from './base-layer.ts'
import type { ValidatableConfig } from './config.ts'
import type { ModelInfo } from './model.ts'
import type { Stateful } from './stateful.ts'

/** Options come as plain data from YAML, or typed from TypeScript through the function that made the definition. */
export type AdapterDefinition<O = unknown> =
  | LayerAdapterDefinition<O>
  | SharedAdapterDefinition<O>
  | ModelAdapterDefinition<O>

/** A definition whose options have been forgotten: what comes out of its own `options.validate` fits it. */
export type AnyAdapterDefinition = {
  readonly options: ValidatableConfig<unknown>
  readonly peft?: PeftFormat<unknown>
} & (
  | Omit<LayerAdapterDefinition<never>, 'options' | 'peft'>
  | Omit<SharedAdapterDefinition<never>, 'options' | 'peft'>
  | Omit<ModelAdapterDefinition<never>, 'options' | 'peft'>
)

interface Common<O> {
  readonly name: string
  /** The schema of the options: for YAML, help texts and validation. */
  readonly options: ValidatableConfig<O>
  /** Where PEFT has the method: how its files spell it. */
  readonly peft?: PeftFormat<O>
  /** What it goes on when nobody says, by model type; elsewhere what LoRA goes on. */
  readonly targets?: Readonly<Record<string, readonly string[]>>
}

/** `seed` makes the initial values; `siteOf(layer.path)` gives each layer its own. */
export interface AdapterContext {
  readonly seed: number
  /** Token ids of a text, as the model is given them: where there is a tokenizer, for what starts from words. */
  encode?(text: string): readonly number[]
  /** A file gives the values: initial ones need not be made, and an encoder of them is not there. */
  readonly restoring?: boolean
}

/** Each layer on its own: LoRA, (IA)³, LoHa, OFT, … */
export interface LayerAdapterDefinition<O = unknown> extends Common<O> {
  /** Kinds of layers that it can be put on; default: linear. */
  readonly kinds?: readonly LayerKind[]
  create(layer: BaseLayer, options: O, context: AdapterContext): Adapter
  /**
   * For a layer that has the weight of one with an adapter, and none itself: the adapter that makes the same change there (`sameAs`). Without it, or
   * null, tied layers come apart.
   */
  createTied?(layer: BaseLayer, first: Adapter): Adapter | null
}

/** Layers that have something in common: VeRA's projections, AdaLoRA's budget. */
export interface SharedAdapterDefinition<O = unknown> extends Common<O> {
  readonly kinds?: readonly LayerKind[]
  createShared(layers: readonly BaseLayer[], options: O, context: AdapterContext): SharedAdapter
}

/** The whole model: prompt tuning, p-tuning, prefix tuning. */
export interface ModelAdapterDefinition<O = unknown> extends Common<O> {
  createForModel(model: ModelShape, options: O, context: AdapterContext): ModelAdapter
}

/** What an adapter of a whole model can know of it. */
export interface ModelShape {
  readonly info: ModelInfo
  readonly embedding: BaseLayer
}

/** Adapters that share something. Disposing it frees what they share; they are disposed each. Its state lives beside that of the optimizer. */
export interface SharedAdapter extends Stateful, Disposable {
  /** One for each of the layers, in their order. */
  readonly adapters: readonly Adapter[]
  /** Tensors of the file that belong to no layer: `vera_A`. `parameter()`s among them are trained, the others kept. */
  parameters?(): Readonly<Record<string, Tensor>>
  /** One f32 number that is added to the loss of each step. */
  penalty?(): Tensor
  /** After the weights have moved; the gradients are still there. */
  afterStep?(step: OptimizerStep): void
  /** What the files of the finished adapter say where it is trimmed: AdaLoRA's directions that are left. Checkpoints keep all. */
  finished?(): FinishedForm | null
}

/** Files of an adapter that is not trained any further. */
export interface FinishedForm {
  /** For each of the adapters, new tensors (f32) in place of those of `parameters()`; the caller frees them. */
  readonly tensors: readonly Readonly<Record<string, Tensor>>[]
  /** Fields of adapter_config.json. */
  readonly fields: Readonly<Record<string, unknown>>
}

/** What an adapter is on: the layers, or none when it is of the whole model. */
export interface PeftTarget {
  readonly layers: readonly BaseLayer[]
  readonly info: ModelInfo
}

/** A method as adapter_config.json has it. */
export interface PeftFormat<O> {
  /** `peft_type`: `LORA`, `IA3`, … */
  readonly type: string
  /** The fields besides those that every method has, and its targets. */
  write(options: O, on: PeftTarget): Readonly<Record<string, unknown>>
  /**
   * Fields of the targets that PEFT's configuration of this method does not have (`exclude_modules`, …): they are left out, and when one was
   * used, `target_modules` lists what was matched.
   */
  readonly lacks?: readonly ('exclude_modules' | 'layers_to_transform' | 'layers_pattern')[]
  /** Every field of its own that a file may have; what else a file says is told and left out. Not given: all are taken. */
  readonly fields?: readonly string[]
  /** The options of one layer. Throws E_ADAPTER, and E_UNSUPPORTED for what would give another model. */
  read(fields: Readonly<Record<string, unknown>>, path: string): O
}
