/**
 * Folds adapters into the weights: what a merged checkpoint consists of, tensor by tensor.
 */
import { tensorBytes } from '../../../core/tensor/tensor-bytes.ts'
import type { TensorSource } from '../../../core/files/safetensors-write.ts'
import {
  activeOn,
  changeAlike,
  expectMergeableModel,
  firstNonFinite,
  isQuantized,
  type Layer,
  mergedBias,
  mergedWeight,
  type Model,
  noGrad,
  scoped,
  type Tensor,
  transpose,
  TrituneError,
} from '../../../core/mod.ts'

/**
 * All weights of the model in the names and layout of its checkpoint, with the active adapters merged. One at a time in memory. Of two layers
 * with one weight, an adapter on either gives each its own. E_UNSUPPORTED when an active adapter cannot be merged.
 *
 * `trained`: layers that have a form and no adapter give the weights that are trained, for `formConfig`; else those that a plain model needs.
 */
export function mergedSources(
  model: Model,
  { trained = false }: { readonly trained?: boolean } = {},
): Iterable<TensorSource> {
  expectMergeableModel(model)
  return writtenSources(model, sources(model, trained && formConfig(model) !== null))
}

/**
 * The `quantization_config` of a model whose layers have a form; null where they have none, and where an adapter is on one of them: what
 * comes out is plain then.
 */
export function formConfig({ layers }: Pick<Model, 'layers'>): Readonly<Record<string, unknown>> | null {
  const formed = [...layers.values()].filter(({ form, weight }) => form && !isQuantized(weight))
  return formed.some((layer) => activeOn(layer).length > 0) ? null : (formed[0]?.form?.config ?? null)
}

/** Weights of a model under the names that its files have. */
export function* writtenSources(
  { info }: Pick<Model, 'info'>,
  all: Iterable<TensorSource>,
): Generator<TensorSource> {
  for (const one of all) yield info.written ? { ...one, name: info.written.nameOf(one.name) } : one
}

/** The config.json that belongs to `mergedSources`. */
export function mergedConfig(model: Model): Readonly<Record<string, unknown>> {
  const { config } = model.info.written ?? model.info
  return untied(model).length > 0 ? { ...config, tie_word_embeddings: false } : config
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function* sources(model: Model, trained: boolean): Generator<TensorSource> {
  const dtype = computeDType(model)
  const parts = new Map<string, { readonly layer: Layer; readonly part: 'weight' | 'bias' }>()
  const apart = untied(model)
  for (const layer of model.layers.values()) {
    if (layer.tiedTo !== null && !apart.includes(layer)) continue
    parts.set(`${layer.path}.weight`, { layer, part: 'weight' })
    parts.set(`${layer.path}.bias`, { layer, part: 'bias' })
  }
  for (const [name, weight] of model.weights) {
    const found = parts.get(name)
    if (found?.layer.fused) yield* fusedSource(model, found.layer, found.part, dtype)
    else
      yield found
        ? layerSource(name, trained ? { ...found.layer, form: null } : found.layer, found.part, dtype)
        : source(name, weight.dtype, weight.shape, weight)
  }
  for (const [name, { layer, part }] of parts) {
    const exists = part === 'weight' && !model.weights.has(name)
    if (!exists || !(isQuantized(layer.weight) || apart.includes(layer))) continue
    if (layer.fused) yield* fusedSource(model, layer, part, dtype)
    else yield layerSource(name, layer, part, dtype)
  }
}

/** The tensor of all layers of which `layer` is a part, where it is the first of them. */
function* fusedSource(
  { layers }: Pick<Model, 'layers'>,
  { fused, inputs, outputs, weight }: Layer,
  part: 'weight' | 'bias',
  dtype: 'f32' | 'bf16',
): Generator<TensorSource> {
  if (!fused || fused.index !== 0) return
  const { name, count } = fused
  const all = [...layers.values()].filter((one) => one.fused?.name === name)
  yield {
    name: part === 'weight' ? name : `${name}_bias`,
    dtype: isQuantized(weight) ? dtype : weight.dtype,
    shape: part === 'weight' ? [count, inputs, outputs] : [count, outputs],
    *chunks() {
      for (const layer of all) {
        using now = merged(layer.path, { ...layer, transposed: true }, part, dtype)
        yield* tensorBytes(now)
      }
    },
  }
}

/** Layers that share a weight with another one and will not after merging. */
function untied(model: Model): Layer[] {
  return [...model.layers.values()].filter((layer) => {
    const other = layer.tiedTo === null ? undefined : model.layers.get(layer.tiedTo)
    if (!other) return false
    const isActive = activeOn(layer).length > 0 || activeOn(other).length > 0
    return (isActive && !changeAlike(layer, other)) || layer.weight !== other.weight
  })
}

function layerSource(
  name: string,
  layer: Layer,
  part: 'weight' | 'bias',
  dtype: 'f32' | 'bf16',
): TensorSource {
  const { weight, bias, transposed, form } = layer
  const own = part === 'weight' ? weight : bias
  const isChanged = part === 'weight' && (transposed || form)
  const isAsStored = activeOn(layer).length === 0 && own !== null && !isQuantized(own) && !isChanged
  if (isAsStored) return source(name, own.dtype, own.shape, own)
  const shape = own ? own.shape : []
  return source(
    name,
    own && !isQuantized(own) ? own.dtype : dtype,
    transposed && part === 'weight' ? shape.toReversed() : shape,
    () => merged(name, layer, part, dtype),
  )
}

function source(
  name: string,
  dtype: Tensor['dtype'],
  shape: readonly number[],
  made: Tensor | (() => Tensor),
): TensorSource {
  return {
    name,
    dtype,
    shape,
    *chunks() {
      if (typeof made !== 'function') {
        yield* tensorBytes(made)
        return
      }
      using now = made()
      yield* tensorBytes(now)
    },
  }
}

function merged(name: string, layer: Layer, part: 'weight' | 'bias', dtype: 'f32' | 'bf16'): Tensor {
  const folded = noGrad(() =>
    scoped(() => {
      if (part === 'bias') return mergedBias(layer) ?? missing(name)
      const weight = mergedWeight(layer, dtype)
      return layer.transposed ? transpose(weight) : weight
    }),
  )
  if (firstNonFinite(folded) >= 0) {
    folded.dispose()
    throw new TrituneError('E_NAN', `merging gives NaN or Inf in ${name}`, {
      remedy: 'the adapter is damaged, or its training diverged',
    })
  }
  return folded
}

function missing(name: string): never {
  throw new TrituneError('E_MODEL', `there is no ${name}`)
}

/** What packed weights become. */
function computeDType(model: Model): 'f32' | 'bf16' {
  return [...model.weights.values()].some(({ dtype }) => dtype === 'bf16') ? 'bf16' : 'f32'
}
