/**
 * Collects the tensors and layers of a model while it is built, under their names in the checkpoint.
 */
import {
  type ExpertParameter,
  type FormParts,
  type FusedPart,
  type Layer,
  type QuantizedWeight,
  type Shape,
  Tensor,
  transpose,
  type WeightSource,
} from '../../core/mod.ts'

export interface WeightCollector {
  readonly weights: Map<string, Tensor>
  readonly layers: Map<string, Layer>
  readonly expertParameters: Map<string, ExpertParameter>
  /** Names a weight of all experts, whose parts are layers of this collector; a token gets so many of them. */
  experts(name: string, parts: readonly (readonly Layer[])[], perToken: number): void
  /** Loads `name` with this shape. */
  tensor(name: string, shape: Shape): Tensor
  /** Loads `${path}.weight` (rows, channels) as a table of rows. */
  embedding(path: string, rows: number, channels: number, options?: { readonly rowScale?: number }): Layer
  /** Loads `${path}.weight` (channels) of a norm and, when asked for, `${path}.bias`. */
  norm(path: string, channels: number, options?: { readonly bias?: boolean }): Layer
  /** The output head: a weight of its own (V, C), or that of the embedding it is tied to. */
  head(path: string, embedding: Layer, tied: boolean, options?: { readonly softcap?: number }): Layer
  /** The head of a model that scores texts: `${path}.weight` (labels, C). */
  score(path: string, channels: number, labels: number): Layer
  /**
   * Loads `${path}.weight` (out, in) and, when asked for, `${path}.bias` (out). `transposed`: the file holds (in, out). `packed: false`: it stays
   * a tensor whatever the others are packed as. `fused`: what the layer says of its place in the checkpoint.
   */
  layer(
    path: string,
    input: number,
    output: number,
    options?: {
      readonly bias?: boolean
      readonly transposed?: boolean
      readonly packed?: boolean
      readonly fused?: FusedPart
    },
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
  const expertParameters = new Map<string, ExpertParameter>()
  const keep = (name: string, loaded: Tensor): Tensor => {
    loaded.adopt(null)
    weights.set(name, loaded)
    return loaded
  }
  const tensor = (name: string, shape: Shape): Tensor => keep(name, source.load(fileName(name), shape))
  const add = (layer: Omit<Layer, 'adapters' | 'device'>): Layer => {
    const { weight } = layer
    const device = weight instanceof Tensor ? weight.device : weight.parts.data.device
    const made: Layer = { ...layer, device, adapters: [] }
    layers.set(layer.path, made)
    source.made?.(made)
    return made
  }
  const plain = { bias: null, transposed: false, tiedTo: null }
  const collector: WeightCollector = {
    weights,
    layers,
    expertParameters,
    experts(name, experts, perToken) {
      const [first] = experts
      const outputs = first.reduce((sum, layer) => sum + layer.outputs, 0)
      expertParameters.set(name, { name, experts, perToken, inputs: first[0].inputs, outputs })
    },
    tensor,
    layer(path, input, output, { bias = false, transposed = false, packed: packable = true, fused } = {}) {
      const name = `${path}.weight`
      const held = source.packed?.(fileName(name), [output, input])
      const passing = packable && source.pack !== undefined
      const loaded =
        held ??
        (transposed
          ? loadTransposed(source, fileName(name), input, output)
          : source.load(fileName(name), [output, input], { passing }))
      const packed = loaded instanceof Tensor && packable ? packedBy(source, path, loaded) : loaded
      const kept = packed instanceof Tensor ? keep(name, packed) : packed
      const norm: FormParts['norm'] = (own, channels) => collector.norm(own, channels)
      return guarding(kept, () =>
        add({
          path,
          kind: 'linear',
          inputs: input,
          outputs: output,
          weight: kept,
          bias: bias ? tensor(`${path}.bias`, [output]) : null,
          transposed,
          tiedTo: null,
          ...(fused && { fused }),
          form: (packable && source.form?.(path, { inputs: input, outputs: output, norm })) || null,
        }),
      )
    },
    embedding: (path, rows, channels, { rowScale = 1 } = {}) =>
      add({
        ...plain,
        ...(rowScale === 1 ? {} : { rowScale }),
        path,
        kind: 'embedding',
        inputs: rows,
        outputs: channels,
        weight: tensor(`${path}.weight`, [rows, channels]),
      }),
    norm: (path, channels, { bias = false } = {}) =>
      add({
        ...plain,
        path,
        kind: 'norm',
        inputs: channels,
        outputs: channels,
        weight: tensor(`${path}.weight`, [channels]),
        bias: bias ? tensor(`${path}.bias`, [channels]) : null,
      }),
    head(path, { path: table, inputs: ids, outputs: channels, weight: shared }, tied, { softcap = 0 } = {}) {
      const name = `${path}.weight`
      const held = tied ? null : source.packed?.(fileName(name), [ids, channels])
      const own = (): Tensor => (held instanceof Tensor ? keep(name, held) : tensor(name, [ids, channels]))
      const stored = tied && shared instanceof Tensor ? shared : isPacked(held) ? held : own()
      const packed = stored instanceof Tensor ? (source.packHead?.(path, stored) ?? stored) : stored
      if (packed !== stored && packed instanceof Tensor) keep(name, packed)
      // Of its own, and nobody else's.
      if (packed !== stored && stored !== shared && stored instanceof Tensor) {
        stored.dispose()
        if (weights.get(name) === stored) weights.delete(name)
      }
      return add({
        ...plain,
        path,
        kind: 'head',
        inputs: channels,
        outputs: ids,
        weight: packed,
        tiedTo: tied ? table : null,
        ...(softcap > 0 ? { softcap } : {}),
      })
    },
    score: (path, channels, labels) =>
      add({
        ...plain,
        path,
        kind: 'head',
        inputs: channels,
        outputs: labels,
        weight: tensor(`${path}.weight`, [labels, channels]),
      }),
    [Symbol.dispose]() {
      for (const { adapters } of layers.values())
        for (const { adapter } of adapters) adapter[Symbol.dispose]()
      for (const weight of weights.values()) weight.dispose()
      for (const { weight } of layers.values()) if (!(weight instanceof Tensor)) weight[Symbol.dispose]()
    },
  }
  return collector
}

/** A packed weight that no layer has yet goes when its layer cannot be made. */
function guarding<T>(weight: Tensor | QuantizedWeight, make: () => T): T {
  try {
    return make()
  } catch (error) {
    if (!(weight instanceof Tensor)) weight[Symbol.dispose]()
    throw error
  }
}

function isPacked(held: Tensor | QuantizedWeight | null | undefined): held is QuantizedWeight {
  return held != null && !(held instanceof Tensor)
}

/** What the source makes of a weight; the tensor itself then goes. */
function packedBy(source: WeightSource, path: string, loaded: Tensor): Tensor | QuantizedWeight {
  if (!source.pack) return loaded
  try {
    const packed = source.pack(path, loaded)
    if (packed === null || packed === loaded) return loaded
    loaded.dispose()
    return packed
  } catch (error) {
    loaded.dispose()
    throw error
  }
}

function loadTransposed(source: WeightSource, name: string, input: number, output: number): Tensor {
  using stored = source.load(name, [input, output])
  return transpose(stored)
}
