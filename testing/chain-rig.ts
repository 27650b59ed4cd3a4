/**
 * Weights and gradients for links of a gradient chain: the same numbers for every run.
 */
import {
  type Capabilities,
  clear,
  createRandom,
  type Device,
  type FloatDType,
  type FlatGradients,
  flatGradients,
  type GradientTransform,
  noGrad,
  type OptimizerStep,
  parameter,
  type Parameters,
  type Shape,
  sizeOf,
  tensor,
  type TransformContext,
  type TransformState,
} from '../core/mod.ts'
import type { OptionInput } from './contract-options.ts'

/** One that is large enough for 8-bit states, and one that never gets a gradient. */
const SHAPES: Readonly<Record<string, Shape>> = {
  'layers.0.a': [6, 5],
  'layers.0.b': [7],
  'layers.1.a': [72, 64],
  unused: [3, 4],
}

export const UNUSED = 'unused'

export interface ChainOptions {
  readonly device: Device
  readonly dtype?: FloatDType
  /** All gradients in one tensor. */
  readonly flat?: boolean
}

/** Weights with the state of a transform. Disposing it frees both. */
export interface ChainRig extends Disposable {
  readonly weights: Parameters
  readonly state: TransformState
  /** A step with gradients that the number of the step decides, or with those that are given. */
  step(at: number, options?: StepOptions): OptimizerStep
  /** Gradients times `gradScale`, as they are after the last step. */
  effective(step: OptimizerStep): Map<string, Float32Array>
}

export interface StepOptions {
  readonly learningRate?: number
  readonly gradScale?: number
  /** On the gradients. */
  readonly factor?: number
  /** On the learning rate of one weight. */
  readonly lrScale?: (name: string) => number
  /** Gradient of a weight with the values that it has. */
  gradientOf?(name: string, values: Float32Array): Float32Array
}

const CONTEXT: TransformContext = { weightDecay: 0, decays: () => true }

export function makeTransform(
  definition: Capabilities['optimizer'],
  options: OptionInput = {},
): GradientTransform {
  const maker: { create(options: unknown, context: TransformContext): GradientTransform } = definition
  return maker.create(definition.options.validate(options), CONTEXT)
}

export function openChain(
  transform: GradientTransform,
  { device, dtype = 'f32', flat = false }: ChainOptions,
): ChainRig {
  const weights = new Map(
    Object.entries(SHAPES).map(([name, shape]) => {
      const random = createRandom(1, name)
      const values = Float32Array.from({ length: sizeOf(shape) }, () => random.normal())
      return [name, parameter(tensor(values, { shape, dtype, device }))]
    }),
  )
  const gradients: FlatGradients | null = flat ? flatGradients(weights) : null
  const state = transform.init(weights)
  return {
    weights,
    state,
    step(at, { learningRate = 0.01, gradScale = 1, factor = 1, lrScale, gradientOf } = {}) {
      gradients?.clear()
      for (const [name, weight] of weights) {
        const random = createRandom(2 + at, name)
        if (name === UNUSED) continue
        const own = gradientOf?.(name, weight.toArray())
        const values = own ?? Float32Array.from({ length: weight.size }, () => factor * random.normal())
        if (!weight.grad) {
          weight.grad = tensor(values, { shape: weight.shape, device })
          weight.grad.adopt(null)
        } else weight.grad.set(values)
      }
      const step: OptimizerStep = {
        step: at + 1,
        learningRate,
        gradScale,
        metrics: {},
        ...(lrScale ? { lrScale } : {}),
        ...(gradients ? { gradients: gradients.all } : {}),
      }
      noGrad(() => state.apply(step))
      return step
    },
    effective: ({ gradScale }) =>
      new Map(
        [...weights].map(([name, { grad, size }]) => [
          name,
          grad?.toArray().map((value) => value * gradScale) ?? new Float32Array(size),
        ]),
      ),
    [Symbol.dispose]() {
      state[Symbol.dispose]()
      for (const weight of weights.values()) if (weight.grad && !gradients) clear(weight.grad)
      gradients?.[Symbol.dispose]()
      for (const weight of weights.values()) weight.dispose()
    },
  }
}
