/**
 * Folds a change into a weight: in f32, rounded once to the dtype of the weight.
 */
import { cast, type FloatDType, noGrad, scoped, type Tensor } from '../../../core/mod.ts'

/** `change(W)` in f32 → a new weight in the dtype of W. */
export function folded(weight: Tensor, change: (wide: Tensor) => Tensor): Tensor {
  return noGrad(() => scoped(() => cast(change(cast(weight, 'f32')), weight.dtype as FloatDType)))
}
