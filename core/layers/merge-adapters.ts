/**
 * Folds the active adapters of a model in memory into its weights, and takes them out again. Files: `mergedSources` of plugins/peft.
 */
import type { Layer } from '../contracts/layer.ts'
import type { Model, TokenBatch } from '../contracts/model.ts'
import { TrituneError } from '../errors.ts'
import { cast } from '../ops/cast.ts'
import { firstNonFinite } from '../ops/nonfinite.ts'
import type { FloatDType } from '../tensor/dtype.ts'
import { scoped, tensorScope } from '../tensor/scope.ts'
import { noGrad } from '../tensor/tape.ts'
import { Tensor, tensor } from '../tensor/tensor.ts'
import { expectUnmerged, MERGED, slotsOf } from './_slots.ts'
import { isQuantized } from './dense-weight.ts'
import { activeOn } from './forward-layer.ts'
import { headLogits } from './head.ts'
import { changeAlike, expectMergeableModel, mergedBias, mergedWeight } from './merge-layer.ts'

/** Options of `mergeAdapters()`. */
export interface MergeAdaptersOptions {
  /** Look for NaN and Inf in every merged weight before any is used; default: true. */
  readonly safe?: boolean
  /** Token ids: the logits of this text before and after are compared. */
  readonly prompt?: readonly number[]
}

/** Adapters that are folded into the weights. Disposing it takes them out again; so does `unmergeAdapters()`. */
export interface MergedAdapters extends Disposable {
  /** Names of the adapters that are in the weights. */
  readonly names: readonly string[]
  /** Paths of the layers that were changed. */
  readonly layers: readonly string[]
  /** Layers whose packed weight has become a tensor of the model's compute type. */
  readonly unpacked: readonly string[]
  /** max |Δ logit| that merging makes on the prompt; null: none was given. Not 0 where the weights are bf16: the sum is rounded. */
  readonly maxLogitDifference: number | null
}

/**
 * Folds the active adapters into the weights, with the weights that they have, and switches them off. Weights are merged in f32 and rounded
 * once; a packed weight becomes a tensor of the model's compute type, because packing it again would lose most of what was learned. The
 * weights before are kept, so unmerging gives the same bits; where they are mapped from a file, that takes no memory.
 *
 * E_UNSUPPORTED when an active adapter cannot be merged, E_NAN when merging gives NaN or Inf, E_ADAPTER when adapters are merged already.
 * The model is then unchanged.
 *
 * @example
 * ```ts
 * import { mergeAdapters } from 'tritune/core'
 * import { loadModel } from 'tritune/plugins/models'
 * import { loadAdapter } from 'tritune/plugins/peft'
 *
 * using model = loadModel('my-model')
 * using _adapter = loadAdapter(model, 'my-adapter')
 * using merged = mergeAdapters(model, { prompt: [1, 5, 9] }) // from here on as fast as the base model
 * console.log(merged.names, (merged.maxLogitDifference ?? 1) < 1e-3) // → [ 'default' ] true
 * ```
 */
export function mergeAdapters(
  model: Model,
  { safe = true, prompt }: MergeAdaptersOptions = {},
): MergedAdapters {
  expectUnmerged(model)
  expectMergeableModel(model)
  const slots = slotsOf(model).map((slot) => ({ slot, weight: slot.weight }))
  const active = slots.filter(({ weight }) => weight !== 0)
  const before = prompt ? logitsOf(model, prompt) : null
  const changes = foldAll(model, safe)
  for (const { layer, merged } of changes) Object.assign(layer, merged)
  for (const { slot } of active) slot.weight = 0
  const undo = (): void => {
    for (const { layer, kept } of changes) Object.assign(layer, kept)
    for (const change of changes) free(change)
    for (const { slot, weight } of active) slot.weight = weight
  }
  let maxLogitDifference: number | null = null
  try {
    if (prompt && before) maxLogitDifference = largestDifference(before, logitsOf(model, prompt))
  } catch (error) {
    undo()
    throw error
  }
  const handle: MergedAdapters = {
    names: [...new Set(active.map(({ slot: { name } }) => name))],
    layers: changes.map(({ layer: { path } }) => path),
    unpacked: changes.flatMap(({ layer: { path }, kept }) => (isQuantized(kept.weight) ? [path] : [])),
    maxLogitDifference,
    [Symbol.dispose]() {
      if (MERGED.get(model) !== handle) return
      MERGED.delete(model)
      undo()
    },
  }
  MERGED.set(model, handle)
  return handle
}

/**
 * Takes merged adapters out of the weights: the weights and the active adapters are to the bit as before `mergeAdapters()`. E_ADAPTER when
 * none are merged.
 */
export function unmergeAdapters(model: Model): void {
  const merged = MERGED.get(model)
  if (!merged) throw new TrituneError('E_ADAPTER', 'no adapters are merged into the weights of the model')
  merged[Symbol.dispose]()
}

/** Whether adapters are folded into the weights of the model. */
export function hasMergedAdapters(model: Model): boolean {
  return MERGED.has(model)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

type Parts = Pick<Layer, 'weight' | 'bias'>

interface Change {
  readonly layer: Layer
  readonly merged: { readonly weight: Tensor; readonly bias: Tensor | null }
  readonly kept: Parts
  /** The merged weight is that of a layer before. */
  readonly isShared: boolean
}

function foldAll(model: Model, safe: boolean): Change[] {
  const dtype =
    model.embedding.weight instanceof Tensor ? (model.embedding.weight.dtype as FloatDType) : 'bf16'
  const changes: Change[] = []
  try {
    for (const layer of model.layers.values()) {
      if (activeOn(layer).length === 0) continue
      const { weight, bias } = layer
      const changesBias = activeOn(layer).some(({ adapter }) => adapter.mergeBias)
      const shared = sharedChange(model, layer, changes)
      const merged = shared ?? {
        weight: owned(
          isQuantized(weight)
            ? noGrad(() => scoped(() => cast(mergedWeight(layer), dtype)))
            : mergedWeight(layer),
        ),
        bias: changesBias ? owned(mergedBias(layer)) : bias,
      }
      changes.push({ layer, merged, kept: { weight, bias }, isShared: shared !== null })
      if (safe) expectFinite(layer, merged)
    }
    return changes
  } catch (error) {
    for (const change of changes) free(change)
    throw error
  }
}

/** What the layer that this one shares its weight with has become, where both change alike. */
function sharedChange(model: Model, layer: Layer, changes: readonly Change[]): Change['merged'] | null {
  const other = layer.tiedTo === null ? undefined : model.layers.get(layer.tiedTo)
  const before = changes.find((change) => change.layer === other)
  if (!other || !before || before.kept.weight !== layer.weight || !changeAlike(layer, other)) return null
  return { weight: before.merged.weight, bias: layer.bias }
}

function expectFinite({ path }: Layer, { weight, bias }: Change['merged']): void {
  const part = firstNonFinite(weight) >= 0 ? 'weight' : bias && firstNonFinite(bias) >= 0 ? 'bias' : null
  if (part === null) return
  throw new TrituneError('E_NAN', `merging gives NaN or Inf in ${path}.${part}`, {
    remedy: 'the adapter is damaged, or its training diverged',
  })
}

/** Frees what merging made; a bias that it did not change is the layer's. */
function free({ merged: { weight, bias }, kept, isShared }: Change): void {
  if (!isShared) weight.dispose()
  if (bias !== kept.bias) bias?.dispose()
}

/** Without a scope: it lives as long as the adapters are merged. */
function owned<T extends Tensor | null>(made: T): T {
  made?.adopt(null)
  return made
}

function logitsOf(model: Model, ids: readonly number[]): Float32Array {
  return noGrad(() => {
    using _scope = tensorScope()
    return headLogits(model.head, model.hidden(oneDocument(ids, model))).toArray()
  })
}

function oneDocument(ids: readonly number[], { head: { device } }: Model): TokenBatch {
  if (ids.length === 0)
    throw new TrituneError('E_DATA', 'the prompt is empty', { remedy: 'give at least one token' })
  const [positions, offsets] = [Int32Array.from(ids, (_, i) => i), [0, ids.length]]
  const options = { dtype: 'i32', device } as const
  return {
    ids: tensor(ids, options),
    positions: tensor(positions, options),
    offsets: tensor(offsets, options),
    positionCount: ids.length,
    host: { positions, offsets },
  }
}

function largestDifference(a: Float32Array, b: Float32Array): number {
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0)
}
