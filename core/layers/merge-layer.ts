/**
 * Folds the active adapters of a layer into its weight and bias, with the weights that they have:
 *
 *   W' = W + Σ wᵢ·(mergeᵢ(W) − W), computed in f32 and rounded once
 */
import type { Adapter } from '../contracts/adapter.ts'
import type { Layer } from '../contracts/layer.ts'
import type { Model } from '../contracts/model.ts'
import { TrituneError } from '../errors.ts'
import { add, sub } from '../ops/binary.ts'
import { cast } from '../ops/cast.ts'
import { affine } from '../ops/unary.ts'
import type { FloatDType } from '../tensor/dtype.ts'
import { scoped } from '../tensor/scope.ts'
import { noGrad } from '../tensor/tape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { denseWeight } from './dense-weight.ts'
import { activeOn } from './forward-layer.ts'

/** Throws E_UNSUPPORTED when an active adapter of the layer cannot be merged. */
export function expectMergeable(layer: Layer): void {
  for (const { name, adapter } of activeOn(layer))
    if (!adapter.merge)
      throw new TrituneError('E_UNSUPPORTED', `${adapter.kind} cannot be merged into weights`, {
        place: layer.path,
        remedy: `keep the adapter "${name}" in files of its own`,
      })
}

/** Throws E_UNSUPPORTED when an active adapter, of a layer or of the whole model, cannot be merged. */
export function expectMergeableModel(model: Model): void {
  for (const { name, adapter, weight } of model.adapters)
    if (weight !== 0)
      throw new TrituneError('E_UNSUPPORTED', `${adapter.kind} cannot be merged: it stands before the text`, {
        remedy: `keep the adapter "${name}" in files of its own`,
      })
  for (const layer of model.layers.values()) expectMergeable(layer)
}

/** Whether the active adapters of two layers that share a weight are pairs that make the same change: merged, they still share it. */
export function changeAlike(layer: Layer, other: Layer): boolean {
  const [here, there] = [activeOn(layer), activeOn(other)]
  if (here.length !== there.length) return false
  return here.every(({ adapter, weight }) =>
    there.some(
      (one) => one.weight === weight && (one.adapter === adapter.sameAs || one.adapter.sameAs === adapter),
    ),
  )
}

/**
 * A new weight with the active adapters folded in; what a packed one stands for, in `dtype`.
 *
 * @example
 * ```ts
 * import { mergedWeight } from 'tritune/core'
 * import { loadModel } from 'tritune/plugins/models'
 * import { attachLora } from 'tritune/plugins/peft'
 *
 * using model = loadModel('my-model')
 * using _adapter = attachLora(model, { targetModules: ['q_proj'] })
 * const layer = model.layers.get('model.layers.0.self_attn.q_proj')
 * if (layer) {
 *   using weight = mergedWeight(layer) // W + s·B·A
 *   console.log(weight.shape.length) // → 2
 * }
 * ```
 */
export function mergedWeight(layer: Layer, dtype: 'f32' | 'bf16' = 'f32'): Tensor {
  expectMergeable(layer)
  return noGrad(() =>
    scoped(() => fold(layer, denseWeight(layer, dtype), (adapter, weight) => adapter.merge?.(weight))),
  )
}

/** A new bias with the active adapters folded in; null: the layer has none. */
export function mergedBias(layer: Layer): Tensor | null {
  const { bias } = layer
  if (!bias) return null
  return noGrad(() =>
    scoped(() => fold(layer, bias.view(), (adapter, own) => adapter.mergeBias?.(own) ?? own)),
  )
}

function fold(
  layer: Layer,
  own: Tensor,
  merge: (adapter: Adapter, own: Tensor) => Tensor | undefined,
): Tensor {
  const active = activeOn(layer)
  const [first] = active
  if (!first) return own
  if (active.length === 1 && first.weight === 1) return merge(first.adapter, own) ?? own
  const wide = cast(own, 'f32')
  let total = wide
  for (const { adapter, weight } of active) {
    const change = sub(merge(adapter, wide) ?? wide, wide)
    total = add(total, affine(change, { scale: weight }))
  }
  return cast(total, own.dtype as FloatDType)
}
