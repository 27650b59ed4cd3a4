/**
 * Collects the tensors and layers of a model while it is built, under their names in the checkpoint.
 */
import { type Layer, type Shape, type Tensor, transpose, type WeightSource } from '../../core/mod.ts'

export interface WeightCollector {
  readonly weights: Map<string, Tensor>
  readonly layers: Map<string, Layer>
  /** Loads `name` with this shape. */
  tensor(name: string, shape: Shape): Tensor
  /** Loads `${path}.weight` (out, in) and, when asked for, `${path}.bias` (out). `transposed`: the file holds (in, out). */
  layer(
    path: string,
    input: number,
    output: number,
    options?: { readonly bias?: boolean; readonly transposed?: boolean },
  ): Layer
  [Symbol.dispose](): void
}

/** `prefix` is what the file leaves out of (or puts before) the names of the model. */
export function collectWeights(
  source: WeightSource,
  { fileName = (name: string) => name }: { readonly fileName?: (name: string) => string } = {},
): WeightCollector {
  const weights = new Map<string, Tensor>()
  const layers = new Map<string, Layer>()
  const keep = (name: string, loaded: Tensor): Tensor => {
    loaded.adopt(null)
    weights.set(name, loaded)
    return loaded
  }
  const tensor = (name: string, shape: Shape): Tensor => keep(name, source.load(fileName(name), shape))
  return {
    weights,
    layers,
    tensor,
    layer(path, input, output, { bias = false, transposed = false } = {}) {
      const layer: Layer = {
        path,
        weight: transposed
          ? keep(`${path}.weight`, loadTransposed(source, fileName(`${path}.weight`), input, output))
          : tensor(`${path}.weight`, [output, input]),
        bias: bias ? tensor(`${path}.bias`, [output]) : null,
        transposed,
        adapter: null,
      }
      layers.set(path, layer)
      return layer
    },
    [Symbol.dispose]() {
      for (const layer of layers.values()) layer.adapter?.[Symbol.dispose]()
      for (const weight of weights.values()) weight.dispose()
    },
  }
}

function loadTransposed(source: WeightSource, name: string, input: number, output: number): Tensor {
  using stored = source.load(name, [input, output])
  return transpose(stored)
}
