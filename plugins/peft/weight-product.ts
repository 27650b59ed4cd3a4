/**
 * Products with a frozen weight that keep the precision of f32, whatever the weight is stored as, without a second weight.
 */
import {
  add,
  affine,
  type BaseLayer,
  cast,
  concat,
  eachWeightRows,
  isQuantized,
  linear,
  linearQuantized,
  matmul,
  mul,
  noGrad,
  reshape,
  scoped,
  sub,
  sum,
  tensor,
  type Tensor,
  dequantizeWeight,
} from '../../core/mod.ts'

/** Smaller than any number that counts: with it no input of an int8 layer is rounded. */
export const TINY = 1e-30

/**
 * A·Wᵀ + (s/2)·(A·Aᵀ)·Bᵀ (r, out) f32: what a LoRA of half the scale makes of its own A, in one op where
 * that takes f32. Not recorded.
 */
export function ownProduct(
  { a, b }: { readonly a: Tensor; readonly b: Tensor },
  scale: number,
  { weight }: Pick<BaseLayer, 'weight'>,
): Tensor {
  const lora = { a, b, scale: scale / 2 }
  return noGrad(() =>
    scoped(() => {
      if (isQuantized(weight)) {
        if (weight.kind === 'ternary') return linear(a, dequantizeWeight(weight), { lora })
        return linearQuantized(a, weight, { lora, threshold: weight.kind === 'int8' ? TINY : 0 })
      }
      if (weight.dtype === 'f32') return linear(a, weight, { lora })
      const own = affine(matmul(a, a, { transposeB: true }), { scale: scale / 2 })
      const ofWeight = byParts(a, weight.dtype, (part) => matmul(part, weight, OUTER))
      return add(ofWeight, matmul(own, b, { transposeB: true }))
    }),
  )
}

/** X·W (n, columns) for X (n, rows) f32 and a weight that is a tensor → f32; not recorded. */
export function timesWeight(x: Tensor, weight: Tensor): Tensor {
  return noGrad(() => scoped(() => byParts(x, weight.dtype, (part) => matmul(part, weight, { wide: true }))))
}

/** The squares of the lengths of all rows (out) f32. */
export function rowSquares(layer: Pick<BaseLayer, 'weight'>): Tensor {
  const squares = new Float32Array(layer.weight.shape[0])
  eachWeightRows(layer, ({ start, rows }) => squares.set(sum(mul(rows, rows), { axis: 1 }).toArray(), start))
  return tensor(squares, { device: deviceOf(layer) })
}

/** The squares of the lengths of all columns (in) f32, summed in f64. */
export function columnSquares(layer: Pick<BaseLayer, 'weight'>): Tensor {
  const squares = new Float64Array(layer.weight.shape[1])
  eachWeightRows(layer, ({ rows }) => {
    for (const [i, value] of sum(mul(rows, rows), { axis: 0 }).toArray().entries()) squares[i] += value
  })
  return tensor(squares, { device: deviceOf(layer) })
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const OUTER = { transposeB: true, wide: true } as const

/**
 * product(X) where the product takes X in the dtype of the weight. Of bf16, X is the sum of two parts that are bf16 each, which
 * together have 16 bits; the sums are f32.
 */
function byParts(x: Tensor, dtype: Tensor['dtype'], product: (x: Tensor) => Tensor): Tensor {
  if (dtype === 'f32') return product(x)
  const high = cast(x, 'bf16')
  const low = cast(sub(x, cast(high, 'f32')), 'bf16')
  const both = product(concat([high, low]))
  return sum(reshape(both, [2, x.shape[0], -1]), { axis: 0 })
}

function deviceOf({ weight }: Pick<BaseLayer, 'weight'>): Tensor['device'] {
  return isQuantized(weight) ? weight.parts.data.device : weight.device
}
