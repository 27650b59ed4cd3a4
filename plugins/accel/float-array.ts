/**
 * Numbers with a shape, in memory of the program or of a device: what the functions of this plugin take, and give back in the same kind.
 */
import { type Shape, tensor, Tensor, tensorScope, TrituneError } from '../../core/mod.ts'

/** f32 numbers in row-major order. */
export interface FloatArray {
  readonly data: Float32Array
  readonly shape: Shape
}

/** A tensor is used where it is; an array goes to the default device for the time of the call. */
export type Floats = FloatArray | Tensor

/** Computes with tensors; what comes out is a tensor where x is one, and an array where x is one. */
export function withTensor<F extends Floats>(x: F, compute: (x: Tensor) => Tensor): F
export function withTensor(x: Floats, compute: (x: Tensor) => Tensor): Floats {
  using scope = tensorScope()
  if (x instanceof Tensor) return scope.keep(compute(x))
  const y = compute(tensor(expectFloats('x', x).data, { shape: x.shape }))
  return { data: y.toArray(), shape: y.shape }
}

/** The numbers, in memory of the program. */
export function floatsOf(name: string, x: Floats): FloatArray {
  return x instanceof Tensor ? { data: x.toArray(), shape: x.shape } : expectFloats(name, x)
}

/** Rows and columns. Throws E_SHAPE unless there are both, and none is 0. */
export function expectMatrix(name: string, shape: Shape): readonly [number, number] {
  const [rows, cols] = shape
  if (shape.length === 2 && rows > 0 && cols > 0) return [rows, cols]
  throw new TrituneError('E_SHAPE', `${name} must have rows and columns, got (${shape.join(', ')})`)
}

function expectFloats(name: string, x: FloatArray): FloatArray {
  if (!(x.data instanceof Float32Array))
    throw new TrituneError('E_DTYPE', `${name} must be a Float32Array with its shape, or a tensor`)
  return x
}
