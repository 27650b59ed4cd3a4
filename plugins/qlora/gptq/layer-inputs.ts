/**
 * What GPTQ needs to know of the inputs of a layer: H = Xᵀ·X, made ready for the rounding of every layer that gets them.
 *
 * With the inputs that the plain model would have given the layer, also what makes up for the rounding of the layers before it: the weight that
 * maps the rounded inputs X̃ nearest to what W makes of the plain X is W + W·S, where S = (X − X̃)ᵀ·X̃·H⁻¹ (as in GPTAQ, Li et al. 2025,
 * arXiv 2504.02692, there column by column).
 */
import {
  type Matrix,
  matrix,
  matmul,
  matmulOp,
  matrixTensor,
  noGrad,
  run,
  scoped,
  sub,
  type Tensor,
  TrituneError,
} from '../../../core/mod.ts'
import { inverseFactor } from './inverse-factor.ts'

/** Of the mean of the diagonal of H, added to all of it: the 1 % of the paper. */
const DAMPING = 0.01

/** The inputs of layers, as rounding needs them. Owns `shift`. */
export interface LayerInputs extends Disposable {
  /** Columns in the order in which they are rounded: those with the largest inputs first, when most are left to take over the error. */
  readonly order: Int32Array
  /** R of H⁻¹ = Rᵀ·R, with rows and columns in that order. */
  readonly factor: Matrix
  /** By column: what an error costs that all other columns have made up for as well as they can, 1/(H⁻¹)ⱼⱼ. */
  readonly importance: Float64Array
  /** S (in, in) f32. */
  readonly shift: Tensor
}

/**
 * `rounded` (T, in): what goes into the layer where those before it are rounded; `plain` (T, in): where they are not. E_VALUE for numbers that
 * are not finite; `place` is for errors.
 */
export function layerInputs(rounded: Tensor, plain: Tensor, place: string): LayerInputs {
  return noGrad(() => {
    using product = innerProduct(rounded, rounded)
    const hessian = product.toArray()
    const [, n] = rounded.shape
    const order = orderOf(hessian, n, place)
    const factor = inverseFactor(damped(hessian, order), place)
    const shift = scoped(() => {
      const r = matrixTensor(inOriginalOrder(factor, order), rounded.device)
      const gap = innerProduct(sub(plain, rounded), rounded)
      return matmul(matmul(gap, r, { transposeB: true }), r)
    })
    shift.adopt(null)
    return {
      order,
      factor,
      importance: importanceOf(factor, order),
      shift,
      [Symbol.dispose]: () => shift.dispose(),
    }
  })
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** aᵀ·b (in, in) in f32 */
function innerProduct(a: Tensor, b: Tensor): Tensor {
  return run(matmulOp, { a, b }, { transposeA: true, transposeB: false, wide: true }).c
}

function orderOf(hessian: Float32Array, n: number, place: string): Int32Array {
  const diagonal = Float64Array.from({ length: n }, (_, i) => hessian[i * n + i])
  // A product of two finite inputs is not larger than the larger of their squares.
  if (!diagonal.every(Number.isFinite))
    throw new TrituneError('E_VALUE', `what goes into ${place} is not finite`, {
      remedy: 'the model gives NaN or Inf for this text: check its weights',
    })
  return Int32Array.from({ length: n }, (_, i) => i).toSorted((a, b) => diagonal[b] - diagonal[a] || a - b)
}

/** In that order. Where nothing at all went in, all columns count alike. */
function damped(hessian: Float32Array, order: Int32Array): Matrix {
  const n = order.length
  const mean = order.reduce((sum, i) => sum + hessian[i * n + i], 0) / n
  const h = matrix(n, n)
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) h.data[i * n + j] = hessian[order[i] * n + order[j]]
    h.data[i * n + i] += mean > 0 ? DAMPING * mean : 1
  }
  return h
}

function inOriginalOrder({ rows: n, data }: Matrix, order: Int32Array): Matrix {
  const r = matrix(n, n)
  for (let i = 0; i < n; i++) for (let j = i; j < n; j++) r.data[i * n + order[j]] = data[i * n + j]
  return r
}

function importanceOf({ rows: n, data }: Matrix, order: Int32Array): Float64Array {
  const diagonal = new Float64Array(n)
  for (let i = 0; i < n; i++) for (let j = i; j < n; j++) diagonal[order[j]] += data[i * n + j] ** 2
  return diagonal.map((value) => 1 / value)
}
