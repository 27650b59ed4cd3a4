/**
 * A layer whose change is a whole matrix: it is made when it is needed, and made again in the backward pass instead of kept.
 */
import {
  add,
  baseForward,
  type BaseLayer,
  cast,
  checkpoint,
  type FloatDType,
  isQuantized,
  linear,
  type Tensor,
} from '../../../core/mod.ts'

/** x·(W + ΔW)ᵀ + b; `make` gives ΔW (out, in) f32 and may be called twice. */
export function throughDense(x: Tensor, base: BaseLayer, make: () => Tensor): Tensor {
  const { weight, bias } = base
  const [y] = checkpoint((seen) => {
    // In f32 the sum is as exact as both products, and costs one of them. A change would drown in a weight of bf16.
    if (!isQuantized(weight) && weight.dtype === 'f32')
      return [linear(seen, add(weight, make()), { bias: bias ?? undefined })]
    return [add(baseForward(base, seen), linear(seen, cast(make(), seen.dtype as FloatDType)))]
  }, x)
  return y
}

/** x·ΔWᵀ */
export function denseChange(x: Tensor, make: () => Tensor): Tensor {
  const [y] = checkpoint((seen) => [linear(seen, cast(make(), seen.dtype as FloatDType))], x)
  return y
}
