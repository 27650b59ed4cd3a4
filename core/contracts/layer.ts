/**
 * Layer: one linear map of a model under the name that its checkpoint gives it; the place where adapters attach.
 */
import type { Adapter } from './adapter.ts'
import type { BaseLayer } from './base-layer.ts'

export interface Layer extends BaseLayer {
  /** The change that is on this layer, if any. */
  adapter: Adapter | null
}
