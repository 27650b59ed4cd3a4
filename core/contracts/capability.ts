/**
 * The closed list of things a plugin can provide. A new kind of thing is a change of core, made on purpose.
 */
import type { AnyAdapterDefinition } from './adapter-definition.ts'
import type { ValidatableConfig } from './config.ts'
import type { Device } from './device.ts'
import type { Model } from './model.ts'
import type { GradientTransform } from '../optim/transform.ts'
import type { DatasetDefinition } from './dataset.ts'
import type { Dequantize, Quantize, QuantizedTensor } from './quantize.ts'
import type { Shape } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'

export interface QuantizerDefinition {
  readonly name: string
  readonly quantizer: Quantize<QuantizedTensor> & Dequantize<QuantizedTensor>
}

/** Where weights come from: a checkpoint folder, a GGUF file, memory. */
export interface WeightSource {
  readonly place: string
  has(name: string): boolean
  names(): Iterable<string>
  /** Loads a tensor with the expected shape, converted to the dtype; E_MODEL when missing, E_SHAPE when it does not fit. */
  load(name: string, shape: Shape): Tensor
}

export interface ModelDefinition {
  /** Hugging Face `model_type`. */
  readonly name: string
  create(config: Readonly<Record<string, unknown>>, weights: WeightSource): Model
}

export interface TransformDefinition<O = unknown> {
  readonly name: string
  readonly options: ValidatableConfig<O>
  create(options: O): GradientTransform
}

/** Wraps a training step: calls `next()` for a full step, or returns a result of its own. Synchronous. */
export interface StrategyDefinition {
  readonly name: string
  wrap(step: StepContext, next: () => StepResult): StepResult
}

export interface StepContext {
  /** 0-based number of the step. */
  readonly step: number
  readonly learningRate: number
}

export interface StepResult {
  /** Mean loss over the trained tokens of the window, in nats. */
  readonly loss: number
  readonly metrics: Readonly<Record<string, number>>
}

export interface MonitorDefinition {
  readonly name: string
  /** Called with each line of metrics. */
  onMetrics(metrics: Readonly<Record<string, unknown>>): void
}

export interface DeviceDefinition {
  readonly name: string
  /** Opens the device or throws E_DEVICE / E_LIBRARY with the reason. */
  open(options: { readonly threads?: number }): Device
}

/** A definition whose options have been forgotten: what comes out of its own `options.validate` fits its `create`. */
export type Erased<D extends { readonly options: unknown }> = Omit<D, 'options'> & {
  readonly options: ValidatableConfig<unknown>
}

export interface Capabilities {
  adapter: AnyAdapterDefinition
  quantizer: QuantizerDefinition
  model: ModelDefinition
  dataset: DatasetDefinition
  optimizer: Erased<TransformDefinition<never>>
  transform: Erased<TransformDefinition<never>>
  strategy: StrategyDefinition
  monitor: MonitorDefinition
  device: DeviceDefinition
}

export type CapabilityKind = keyof Capabilities
/** `adapter:lora` */
export type CapabilityId = `${CapabilityKind}:${string}`
