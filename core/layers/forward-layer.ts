/**
 * What a layer computes, with the adapters that are on it.
 */
import type { Layer } from '../contracts/layer.ts'
import { linear } from '../ops/linear.ts'
import type { Tensor } from '../tensor/tensor.ts'

/** x (…, in) → (…, out), through the adapter when there is one. */
export function forwardLayer(layer: Layer, x: Tensor): Tensor {
  if (layer.adapter) return layer.adapter.forward(x, layer)
  return linear(x, layer.weight, { bias: layer.bias ?? undefined })
}
