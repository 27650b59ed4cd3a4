/**
 * What a layer computes: alone, and with the adapters that are on it.
 *
 * One active adapter of weight 1 takes the layer over, fused as it likes. Otherwise the changes add up, each against the
 * layer alone, so their order does not matter:
 *
 *   y = base(x) + Σ wᵢ·(adapterᵢ(x) − base(x))
 */
import type { Adapter, AdapterSlot } from '../contracts/adapter.ts'
import type { BaseLayer } from '../contracts/base-layer.ts'
import type { Layer } from '../contracts/layer.ts'
import { TrituneError } from '../errors.ts'
import { add, sub } from '../ops/binary.ts'
import { embedding } from '../ops/embedding.ts'
import { linearQuantized } from '../ops/linear-quantized.ts'
import { linear, type LoraFactors } from '../ops/linear.ts'
import { concat } from '../ops/movement.ts'
import { affine } from '../ops/unary.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { isQuantized } from './dense-weight.ts'
import { isDivided, rowRuns } from './document-adapters.ts'

/**
 * The layer without adapters, its weight a tensor or packed; `lora` is fused into linear layers and the head.
 *
 * @example
 * ```ts
 * import { baseForward, tensorScope, zeros } from 'tritune/core'
 * import { loadModel } from 'tritune/plugins/models'
 *
 * using model = loadModel('my-model')
 * const layer = model.layers.get('model.layers.0.self_attn.q_proj')
 * using _scope = tensorScope()
 * if (layer) console.log(baseForward(layer, zeros([1, layer.inputs])).shape[1] === layer.outputs) // → true
 * ```
 */
export function baseForward(
  layer: BaseLayer,
  x: Tensor,
  { lora }: { readonly lora?: LoraFactors } = {},
): Tensor {
  const { path, kind, weight, bias, form } = layer
  if (form) return form.forward(x, layer, { lora })
  if (kind === 'norm')
    throw new TrituneError('E_UNSUPPORTED', `${path}: its model computes a norm`, {
      remedy: 'normOf(layer) has its weight',
    })
  if (kind === 'embedding') {
    if (lora || isQuantized(weight))
      throw new TrituneError(
        'E_UNSUPPORTED',
        `${path}: an embedding has ${lora ? 'no fused update' : 'no packed form'}`,
      )
    return embedding(weight, x)
  }
  const options = { bias: bias ?? undefined, lora }
  return isQuantized(weight) ? linearQuantized(x, weight, options) : linear(x, weight, options)
}

/** x (…, in) → (…, out), or ids → rows, through the adapters that are active. */
export function forwardLayer(layer: Layer, x: Tensor): Tensor {
  const runs = rowRuns(layer, x.shape[0])
  if (runs === null) return forwardActive(layer, x, activeOn(layer))
  if (runs.length <= 1) return forwardActive(layer, x, runs[0]?.active ?? [])
  const base = baseForward(layer, x)
  return concat(
    runs.map(({ start, end, active }) => {
      const own = base.rowsView(start, end - start)
      return active.length === 0
        ? own
        : withChanges(layer, x.rowsView(start, end - start), { base: own, active })
    }),
  )
}

/** The adapters of a layer whose weight is not 0, in the order in which they came. */
export function activeOn({ adapters }: Layer): Layer['adapters'] {
  return adapters.length === 0 ? adapters : adapters.filter(({ weight }) => weight !== 0)
}

/** Whether some row that goes through the layer meets an adapter. */
export function isAdapted(layer: Layer): boolean {
  return activeOn(layer).length > 0 || isDivided(layer)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

type Active = readonly AdapterSlot<Adapter>[]

function forwardActive(layer: Layer, x: Tensor, active: Active): Tensor {
  if (active.length === 0) return baseForward(layer, x)
  const [first] = active
  if (active.length === 1 && first.weight === 1) return first.adapter.forward(x, layer)
  return withChanges(layer, x, { base: baseForward(layer, x), active })
}

/** base + Σ wᵢ·(adapterᵢ(x) − base) */
function withChanges(
  layer: Layer,
  x: Tensor,
  { base, active }: { readonly base: Tensor; readonly active: Active },
): Tensor {
  const [first] = active
  if (active.length === 1 && first.weight === 1 && !first.adapter.delta)
    return first.adapter.forward(x, layer)
  let y = base
  for (const { adapter, weight } of active) {
    const change = adapter.delta ? adapter.delta(x, layer) : sub(adapter.forward(x, layer), base)
    y = add(y, weight === 1 ? change : affine(change, { scale: weight }))
  }
  return y
}
