/**
 * Layer: one map of a model under the name that its checkpoint gives it, and the adapters that are on it.
 */
import type { Adapter, AdapterSlot } from './adapter.ts'
import type { BaseLayer } from './base-layer.ts'

/**
 * One map of a model, under the name that its checkpoint gives it, with the adapters that are on it.
 * `forwardLayer(layer, x)` computes both.
 */
export interface Layer extends BaseLayer {
  /** In the order in which they came. Those with a weight are active; they add up: core/layers/forward-layer.ts. */
  readonly adapters: AdapterSlot<Adapter>[]
}
