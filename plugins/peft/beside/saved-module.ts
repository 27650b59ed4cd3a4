/**
 * A layer or a norm that is trained whole beside an adapter (PEFT's modules_to_save): a copy of its weight and bias stands in their place. The copy
 * is f32 whatever the base is, and laid out as the checkpoint has it.
 */
import {
  type Adapter,
  baseForward,
  type BaseLayer,
  cast,
  denseWeight,
  empty,
  type FloatDType,
  isQuantized,
  noGrad,
  parameter,
  scoped,
  type Tensor,
  transpose,
} from '../../../core/mod.ts'
import { copyElements } from '../../../core/tensor/tensor-bytes.ts'

/** The copies, which two layers that share a weight may have in common. */
export interface ModuleCopy extends Disposable {
  readonly weight: Tensor
  readonly bias: Tensor | null
}

/** f32 copies of weight and bias; `trained`: as parameters. */
export function copyModule(layer: BaseLayer, { trained }: { readonly trained: boolean }): ModuleCopy {
  const { bias, transposed } = layer
  const leaf = (make: () => Tensor): Tensor => {
    using made = noGrad(() => scoped(make))
    const copy = empty(made.shape, { device: layer.device })
    copyElements(copy, made)
    copy.adopt(null)
    return trained ? parameter(copy) : copy
  }
  const weight = leaf(() => {
    const dense = cast(denseWeight(layer), 'f32')
    return transposed ? transpose(dense) : dense
  })
  const ownBias = bias && leaf(() => cast(bias, 'f32'))
  return {
    weight,
    bias: ownBias,
    [Symbol.dispose]() {
      weight.dispose()
      ownBias?.dispose()
    },
  }
}

/** `sameAs`: the adapter of another layer, which has the same copy and frees it. */
export function createSavedModule(
  { kind, transposed, weight: before }: BaseLayer,
  copy: ModuleCopy,
  { sameAs }: { readonly sameAs?: Adapter } = {},
): Adapter {
  const weightIn = (dtype: FloatDType): Tensor => {
    const laid = transposed ? transpose(copy.weight) : copy.weight
    return cast(laid, dtype)
  }
  const insteadOf = (base: BaseLayer, dtype: FloatDType): BaseLayer => ({
    ...base,
    weight: weightIn(dtype),
    bias: copy.bias && cast(copy.bias, dtype),
  })
  const stored: FloatDType = isQuantized(before) ? 'f32' : (before.dtype as FloatDType)
  return {
    kind: 'modules_to_save',
    forward: (x, base) =>
      kind === 'embedding'
        ? cast(baseForward(insteadOf(base, 'f32'), x), stored)
        : baseForward(insteadOf(base, x.dtype as FloatDType), x),
    replacement: () => ({ weight: weightIn(stored), bias: copy.bias && cast(copy.bias, stored) }),
    parameters: () => ({ weight: copy.weight, ...(copy.bias && { bias: copy.bias }) }),
    merge: (weight) => fresh(() => weightIn(weight.dtype as FloatDType)),
    mergeBias: (bias) => fresh(() => cast(copy.bias ?? bias, bias.dtype)),
    [Symbol.dispose]() {
      if (!sameAs) copy[Symbol.dispose]()
    },
    ...(sameAs && { sameAs }),
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** A tensor of its own, not a handle on the memory of the parameter. */
function fresh(make: () => Tensor): Tensor {
  return noGrad(() => {
    using made = scoped(make)
    const copy = empty(made.shape, { dtype: made.dtype, device: made.device })
    copyElements(copy, made)
    return copy
  })
}
