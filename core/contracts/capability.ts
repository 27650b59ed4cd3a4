/**
 * The closed list of things a plugin can provide. A new kind of thing is a change of core, made on purpose.
 */
import type { AnyAdapterDefinition } from './adapter-definition.ts'
import type { ValidatableConfig } from './config.ts'
import type { Device } from './device.ts'
import type { LayerForm } from './base-layer.ts'
import type { Layer } from './layer.ts'
import type { Model } from './model.ts'
import type { GradientTransform } from '../optim/transform.ts'
import type { DatasetDefinition } from './dataset.ts'
import type { MonitorDefinition } from './monitor.ts'
import type { ObjectiveDefinition } from './objective.ts'
import type { SamplerDefinition } from './sampler.ts'
import type { StrategyDefinition } from './strategy.ts'
import type { Dequantize, Quantize, QuantizedTensor } from './quantize.ts'
import type { QuantizedWeight } from '../tensor/quantized-weight.ts'
import type { FloatDType } from '../tensor/dtype.ts'
import type { Shape } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'

/**
 * A quantizer that plugins provide by name: `quantizer: nf4` of a run's file. `create` gets options that `options` has
 * checked.
 */
export interface QuantizerDefinition<O = unknown> {
  readonly name: string
  readonly options: ValidatableConfig<O>
  create(options: O): Quantize<QuantizedTensor> & Dequantize<QuantizedTensor>
  /**
   * For training without an adapter: how layers compute with weights that stay whole and are rounded in every pass. Not given: what is
   * packed cannot be trained.
   */
  createForms?(options: O): LayerForms
}

/** Gives linear layers their forms while a model is loaded. */
export interface LayerForms {
  /** The form of the layer at `path`, whose weight is loaded already; null: it stays as it is. */
  form(path: string, parts: FormParts): LayerForm | null
  /** The source with what a fresh layer of this form needs and the checkpoint has not. */
  completed(
    source: WeightSource,
    options: { readonly device: Device; readonly dtype: FloatDType },
  ): WeightSource
}

/** What a form may ask of the layer that it is for. */
export interface FormParts {
  readonly inputs: number
  readonly outputs: number
  /** Loads `${path}.weight` (channels), a norm that belongs to the layer. */
  norm(path: string, channels: number): Layer
}

/** Where weights come from: a checkpoint folder, a GGUF file, memory. */
export interface WeightSource {
  readonly place: string
  has(name: string): boolean
  names(): Iterable<string>
  /** Loads a tensor with the expected shape, converted to the dtype; E_MODEL when missing, E_SHAPE when it does not fit. */
  /** `passing`: it is looked at once and not kept, so it need not lie in a mapped file. */
  load(name: string, shape: Shape, options?: { readonly passing?: boolean }): Tensor
  /**
   * The weight (out, in) of a linear layer or the head, where the checkpoint holds it packed: as it is, or as a tensor
   * when no op multiplies by that form. Null: `load` has it.
   */
  packed?(name: string, shape: Shape): QuantizedWeight | Tensor | null
  /** Packs the weight (out, in) of a linear layer as it comes in; what it was is not kept. Null: the layer keeps it. */
  pack?(path: string, weight: Tensor): Tensor | QuantizedWeight | null
  /** The same of the head. An embedding that is tied to it keeps its weight. Not for training: the head has no gradient then. */
  packHead?(path: string, weight: Tensor): Tensor | QuantizedWeight | null
  /** How a linear layer computes; see LayerForms. */
  form?(path: string, parts: FormParts): LayerForm | null
  /** Told of each layer once it has its weight, which may be put elsewhere from then on. */
  made?(layer: Layer): void
}

/**
 * An architecture that plugins provide by its `model_type`: `create` builds the model from config.json and reads every
 * weight that it needs from `weights`. Throws E_MODEL or E_UNSUPPORTED for a config.json or weights that it cannot use.
 */
export interface ModelDefinition {
  /** Hugging Face `model_type`. */
  readonly name: string
  create(config: Readonly<Record<string, unknown>>, weights: WeightSource): Model
}

/** What a link of the gradient chain may need to know besides its own options. */
export interface TransformContext {
  /** `weight_decay` of the run, and on which parameters it acts. */
  readonly weightDecay: number
  decays(name: string): boolean
  /** Elements of a parameter of which this process has a part; undefined: it has all of it. */
  sizeOf?(name: string): number | undefined
}

/** An optimizer or a gradient transform that plugins provide by name: `optimizer: adamw` of a run's file. */
export interface TransformDefinition<O = unknown> {
  readonly name: string
  readonly options: ValidatableConfig<O>
  /**
   * Of an optimizer: how its work can be divided over processes (`zero_stage: 1`). `elements`: each element is a matter of its own, and what is kept is a number
   * for each or for each block of 256, so parameters may come in pieces of one axis; `tensors`: each parameter is. `saveState()` gives what all processes have alike, or
   * numbers by the name of the parameter. Not given: it cannot.
   */
  readonly divides?: 'elements' | 'tensors'
  create(options: O, context: TransformContext): GradientTransform
}

/** A device that plugins provide by name: `device: cpu` of a run's file. Nothing is opened before `open` is called. */
export interface DeviceDefinition {
  readonly name: string
  /** Opens the device or throws E_DEVICE / E_LIBRARY with the reason. */
  open(options: { readonly threads?: number }): Device
}

/** A definition whose options have been forgotten: what comes out of its own `options.validate` fits its `create`. */
export type Erased<D extends { readonly options: unknown }> = Omit<D, 'options'> & {
  readonly options: ValidatableConfig<unknown>
}

/**
 * The closed list of what a plugin can provide, by kind: the type that a thing of that kind has. Definitions that take
 * options stand here without the type of their options.
 */
export interface Capabilities {
  adapter: AnyAdapterDefinition
  quantizer: Erased<QuantizerDefinition<never>>
  model: ModelDefinition
  dataset: DatasetDefinition
  sampler: Erased<SamplerDefinition<never>>
  objective: Erased<ObjectiveDefinition<never>>
  optimizer: Erased<TransformDefinition<never>>
  transform: Erased<TransformDefinition<never>>
  strategy: Erased<StrategyDefinition<never>>
  monitor: Erased<MonitorDefinition<never>>
  device: DeviceDefinition
}

/** A kind of thing that a plugin can provide: `adapter`, `quantizer`, `model`, … */
export type CapabilityKind = keyof Capabilities
/** A thing that plugins provide, by kind and name: `adapter:lora`. */
export type CapabilityId = `${CapabilityKind}:${string}`
