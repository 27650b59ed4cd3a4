/**
 * Folds adapters into the weights: what a merged checkpoint consists of, tensor by tensor.
 */
import { tensorBytes } from '../../core/tensor/tensor-bytes.ts'
import type { TensorSource } from '../../core/files/safetensors-write.ts'
import {
  firstNonFinite,
  type Layer,
  type Model,
  noGrad,
  scoped,
  type Tensor,
  transpose,
  TrituneError,
} from '../../core/mod.ts'

/** All weights of the model in the names and layout of its checkpoint, with the adapters merged. One at a time in memory. */
export function* mergedSources(model: Model): Generator<TensorSource> {
  const byWeight = new Map<Tensor, Layer>([...model.layers.values()].map((layer) => [layer.weight, layer]))
  for (const [name, weight] of model.weights) {
    const layer = byWeight.get(weight)
    const shape = layer?.transposed ? [...weight.shape].toReversed() : weight.shape
    yield {
      name,
      dtype: weight.dtype,
      shape,
      *chunks() {
        if (!layer?.adapter && !layer?.transposed) {
          yield* tensorBytes(weight)
          return
        }
        using merged = mergedWeight(name, layer, weight)
        yield* tensorBytes(merged)
      },
    }
  }
}

function mergedWeight(name: string, layer: Layer, weight: Tensor): Tensor {
  const merged = noGrad(() =>
    scoped(() => {
      const folded = layer.adapter ? layer.adapter.merge(weight) : weight.view()
      return layer.transposed ? transpose(folded) : folded
    }),
  )
  if (firstNonFinite(merged) >= 0) {
    merged.dispose()
    throw new TrituneError('E_NAN', `merging gives NaN or Inf in ${name}`, {
      remedy: 'the adapter is damaged, or its training diverged',
    })
  }
  return merged
}
