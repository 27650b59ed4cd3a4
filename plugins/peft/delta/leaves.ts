/**
 * Tensors that an adapter owns: f32, and alive until it is disposed, whatever scope is open when they are made.
 */
import { type Device, parameter, type Random, type Tensor, tensor } from '../../../core/mod.ts'
import { drawn } from '../drawn.ts'

/** Out of whatever scope is open. */
export function lasting(made: Tensor): Tensor {
  made.adopt(null)
  return made
}

/** A trained tensor. */
export function leaf(values: Float32Array, shape: readonly number[], device: Device): Tensor {
  return lasting(parameter(lasting(tensor(values, { shape, device }))))
}

/** All elements one number. */
export function filled(value: number, shape: readonly number[], device: Device): Tensor {
  return leaf(new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(value), shape, device)
}

/** kaiming_uniform(a = √5) of a matrix: ±1/√columns. */
export function kaiming(random: Random, [rows, columns]: readonly [number, number], device: Device): Tensor {
  const bound = 1 / Math.sqrt(columns)
  const values = drawn(rows * columns, () => (2 * random.float() - 1) * bound)
  return leaf(values, [rows, columns], device)
}
