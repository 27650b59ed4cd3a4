/**
 * A tensor as a linear map, its products on its device; and matrices as tensors.
 */
import type { Device } from '../contracts/device.ts'
import { matmul } from '../ops/matmul.ts'
import { noGrad } from '../tensor/tape.ts'
import { scoped, tensorScope } from '../tensor/scope.ts'
import { tensor, type Tensor } from '../tensor/tensor.ts'
import { type Matrix, matrix } from './matrix.ts'
import type { LinearMap } from './top-singular.ts'

/** weight (rows, columns) f32; it must live as long as the map. */
export function tensorMap(weight: Tensor): LinearMap {
  const [rows, columns] = weight.shape
  const { device } = weight
  const times = (x: Matrix, transposeA: boolean): Matrix => {
    using _scope = tensorScope()
    return noGrad(() => tensorMatrix(matmul(weight, matrixTensor(x, device), { transposeA })))
  }
  return { rows, columns, times: (x) => times(x, false), timesTransposed: (y) => times(y, true) }
}

/** An f32 tensor of the numbers, rounded. */
export function matrixTensor({ rows, columns, data }: Matrix, device: Device): Tensor {
  return scoped(() => tensor(data, { shape: [rows, columns], device }))
}

/** The numbers of a tensor of two axes. */
export function tensorMatrix(values: Tensor): Matrix {
  const [rows, columns] = values.shape
  return matrix(rows, columns, Float64Array.from(values.toArray()))
}
