/**
 * What a case of the op table is, and how its inputs and its scalar loss are made: the same numbers on every device.
 */
import {
  backward,
  createRandom,
  type Device,
  type DType,
  linksOf,
  parameter,
  record,
  type Shape,
  sizeOf,
  tensor,
  Tensor,
  tensorScope,
} from '../../core/mod.ts'

/** An input of a case: its shape, and what numbers it holds. */
export interface InputSpec {
  readonly shape: Shape
  /** Default: the dtype of the run. */
  readonly dtype?: DType
  /** Default: true for floats. */
  readonly grad?: boolean
  /** `normal` (default), `positive` (0.5 … 2), `small` (−2 … 2, whole numbers); or the values themselves. */
  readonly values?: 'normal' | 'positive' | 'small' | readonly number[]
  /** Whole numbers from 0 to below this. */
  readonly below?: number
}

/** One call of an op with certain sizes: gradients are checked and devices compared on it. */
export interface OpCase {
  readonly name: string
  readonly inputs: Readonly<Record<string, InputSpec>>
  /** Runs the op; what it returns is compared. */
  run(inputs: Readonly<Record<string, Tensor>>): readonly Tensor[]
  readonly dtypes?: readonly ('f32' | 'bf16')[]
  /** Inputs that are rounded on the way: their gradient is that of the identity and no slope. */
  readonly straightThrough?: readonly string[]
  /** Largest error, as a share of the largest number of the tensor. */
  readonly tolerance?: { readonly f32?: number; readonly bf16?: number }
}

export interface CaseResult {
  readonly outputs: readonly Tensor[]
  /** By the name of the input. */
  readonly gradients: Readonly<Record<string, Tensor>>
}

/** The numbers of every input, rounded to its dtype by whoever makes tensors of them. */
export function caseValues({ name, inputs }: OpCase, seed = 7): Record<string, Float64Array> {
  const values: Record<string, Float64Array> = {}
  for (const [input, spec] of Object.entries(inputs)) {
    const random = createRandom(seed, `${name}/${input}`)
    const { below, values: kind = 'normal' } = spec
    values[input] = Float64Array.from({ length: sizeOf(spec.shape) }, (_, i) => {
      if (typeof kind !== 'string') return kind[i]
      if (below !== undefined) return random.int(below)
      if (kind === 'positive') return 0.5 + 1.5 * random.float()
      return kind === 'small' ? random.int(5) - 2 : random.normal()
    })
  }
  return values
}

export interface MakeOptions {
  readonly dtype: 'f32' | 'bf16'
  readonly device: Device
  /** Of the random numbers. */
  readonly seed?: number
}

/** Tensors of a case; leaves where gradients are wanted. */
export function caseInputs(op: OpCase, { dtype, device, seed }: MakeOptions): Record<string, Tensor> {
  const values = caseValues(op, seed)
  return Object.fromEntries(
    Object.entries(op.inputs).map(([name, spec]) => {
      const made = tensor(values[name], { shape: spec.shape, dtype: dtypeOf(spec, dtype), device })
      return [name, wantsGradient(spec) ? parameter(made) : made]
    }),
  )
}

/** Runs a case forward and, from a fixed weighted sum of its outputs, backward. The caller opens the scope. */
export function runCase(op: OpCase, inputs: Readonly<Record<string, Tensor>>): CaseResult {
  const outputs = op.run(inputs)
  using _scope = tensorScope()
  const loss = weightedSum(outputs)
  if (loss) backward(loss)
  const gradients: Record<string, Tensor> = {}
  for (const [name, { grad }] of Object.entries(inputs)) if (grad) gradients[name] = grad
  return { outputs, gradients }
}

/** Weights of the loss: exact in bf16, different for neighbours. */
export function lossWeight(output: number, index: number): number {
  return (((index * 7 + output * 3) % 11) - 4) / 8
}

/** Σ weight·output as far as gradients are concerned: its value is never computed. */
function weightedSum(outputs: readonly Tensor[]): Tensor | null {
  const links = linksOf(Object.fromEntries(outputs.entries()))
  if (!links) return null
  const loss = tensor([0], { device: outputs[0].device })
  record(
    {
      name: 'weighted sum',
      links,
      backward: () =>
        Object.fromEntries(
          Array.from(links, ([name, { shape, dtype }]) => {
            const weights = Array.from({ length: sizeOf(shape) }, (_, i) => lossWeight(Number(name), i))
            return [name, tensor(weights, { shape, dtype, device: loss.device })]
          }),
        ),
      release() {},
    },
    { loss },
  )
  return loss
}

export function wantsGradient({ grad, dtype }: InputSpec): boolean {
  return grad ?? (dtype === undefined || dtype === 'f32')
}

function dtypeOf(spec: InputSpec, dtype: DType): DType {
  return spec.dtype ?? dtype
}
