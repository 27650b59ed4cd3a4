/**
 * Small matrices of ones and zeros that rotations are put together with.
 */
import { type Device, tensor, type Tensor } from '../../../core/mod.ts'

/** (size, size) f32 */
export function identity(size: number, device: Device): Tensor {
  const values = new Float32Array(size * size)
  for (let i = 0; i < size; i++) values[i * (size + 1)] = 1
  return tensor(values, { shape: [size, size], device })
}
