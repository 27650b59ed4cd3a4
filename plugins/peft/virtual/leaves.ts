/**
 * Trained tensors of a method that stands before the text: made once, freed with it. Initial values are those of torch's modules.
 */
import { type Device, type Random, type Shape, sizeOf, type Tensor } from '../../../core/mod.ts'
import { filled, leaf } from '../delta/leaves.ts'

/** N(0, 1), as torch.nn.Embedding. */
export function normalLeaf(random: Random, shape: Shape, device: Device): Tensor {
  return leaf(
    Float32Array.from({ length: sizeOf(shape) }, () => random.normal()),
    shape,
    device,
  )
}

/** U(−bound, bound). */
export function uniformLeaf(random: Random, bound: number, shape: Shape, device: Device): Tensor {
  return leaf(
    Float32Array.from({ length: sizeOf(shape) }, () => (2 * random.float() - 1) * bound),
    shape,
    device,
  )
}

export function zeroLeaf(shape: Shape, device: Device): Tensor {
  return filled(0, shape, device)
}

/** A trained linear layer: U(±1/√in), as torch.nn.Linear. `name` is that of its place among torch's modules. */
export interface DenseLeaves {
  readonly weight: Tensor
  readonly bias: Tensor
  /** `<name>.weight`, `<name>.bias` */
  readonly named: Readonly<Record<string, Tensor>>
}

export function denseLeaves(
  random: Random,
  name: string,
  {
    inputs,
    outputs,
    device,
    zero = false,
  }: {
    readonly inputs: number
    readonly outputs: number
    readonly device: Device
    readonly zero?: boolean
  },
): DenseLeaves {
  const make = (shape: Shape): Tensor =>
    zero ? zeroLeaf(shape, device) : uniformLeaf(random, 1 / Math.sqrt(inputs), shape, device)
  const weight = make([outputs, inputs])
  const bias = make([outputs])
  return { weight, bias, named: { [`${name}.weight`]: weight, [`${name}.bias`]: bias } }
}
