/**
 * Layers with the weight that an adapter puts in the place of theirs: a module that is trained whole, a norm, single rows of a table.
 */
import type { Layer } from '../contracts/layer.ts'
import { TrituneError } from '../errors.ts'
import { add, sub } from '../ops/binary.ts'
import { affine } from '../ops/unary.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { isQuantized } from './dense-weight.ts'
import { isDivided } from './document-adapters.ts'
import { activeOn } from './forward-layer.ts'

/** The layer itself, or without adapters and with the weight that its one active adapter has for it. */
export function replacedLayer(layer: Layer): Layer {
  if (isDivided(layer)) return layer
  const active = activeOn(layer)
  const [first] = active
  if (active.length !== 1 || first.weight !== 1 || !first.adapter.replacement) return layer
  return { ...layer, ...first.adapter.replacement(layer), adapters: [] }
}

/** What a norm scales and shifts by. */
export interface NormWeights {
  readonly weight: Tensor
  readonly bias: Tensor | null
}

/**
 * Weight and bias of a norm with the adapters that are active, in the dtype of the norm: W + Σ wᵢ·(Wᵢ − W).
 *
 * @example
 * ```ts
 * import { normOf, tensorScope } from 'tritune/core'
 * import { loadModel } from 'tritune/plugins/models'
 *
 * using model = loadModel('my-model')
 * using _scope = tensorScope()
 * const norm = model.layers.get('model.norm')
 * if (norm) console.log(normOf(norm).weight.size === model.info.hiddenSize) // → true
 * ```
 */
export function normOf(layer: Layer): NormWeights {
  const { weight, bias, path } = layer
  if (isQuantized(weight)) throw new TrituneError('E_UNSUPPORTED', `${path}: a norm has no packed form`)
  if (isDivided(layer))
    throw new TrituneError('E_UNSUPPORTED', `${path} has one weight for all documents of a batch`, {
      remedy: 'give documents that were trained with norms of their own batches of their own',
    })
  const own: NormWeights = { weight, bias }
  const active = activeOn(layer)
  if (active.length === 0) return own
  const parts = active.map((slot) => ({ factor: slot.weight, ...replacementOf(layer, slot) }))
  const [first] = parts
  if (parts.length === 1 && first.factor === 1) return first
  const mixed = (before: Tensor, pick: (one: NormWeights) => Tensor | null): Tensor =>
    parts.reduce((sum, one) => {
      const other = pick(one)
      return other ? add(sum, affine(sub(other, before), { scale: one.factor })) : sum
    }, before)
  return { weight: mixed(weight, (one) => one.weight), bias: bias && mixed(bias, (one) => one.bias) }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function replacementOf(layer: Layer, { name, adapter }: Layer['adapters'][number]): NormWeights {
  if (adapter.replacement) return adapter.replacement(layer)
  throw new TrituneError('E_UNSUPPORTED', `${adapter.kind} has no weight for a norm`, {
    place: layer.path,
    remedy: `take ${layer.path} out of what the adapter "${name}" is on`,
  })
}
