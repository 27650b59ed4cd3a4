/**
 * What is trained beside an adapter of layers, in PEFT's words: whole modules, single rows of the vocabulary, biases. Adapters like the others: they
 * join those of the layers, under their paths.
 */
import { type Adapter, type Layer, type Model, nearestNames, TrituneError } from '../../../core/mod.ts'
import { createOwnBias, overBase, takeBias } from './over-base.ts'
import { copyModule, createSavedModule } from './saved-module.ts'
import { createTokenRows, takeTokenRows } from './token-rows.ts'

/** Tokens by id, of the embedding, or of the layers whose names end so. */
export type TrainableTokens = readonly number[] | Readonly<Record<string, readonly number[]>>

/** Options of `attachAdapter()`: what is trained beside the adapter. */
export interface BesideOptions {
  /** Layers and norms that are trained whole, by the endings of their names or of what they are in: `['lm_head']`, `['norm']`. */
  readonly modulesToSave?: readonly string[] | null
  /** Tokens whose rows are trained; in a model that ties embedding and head, of both. */
  readonly trainableTokenIndices?: TrainableTokens | null
  /** `none`; `all` biases of the model; those of the layers with an adapter: `lora_only`, or another `…_only`. */
  readonly bias?: 'none' | 'all' | `${string}_only`
  /** In a model that ties embedding and head: what is trained of one is the other's too. */
  readonly ensureWeightTying?: boolean
}

type Adapters = ReadonlyMap<string, Adapter>

/** Paths that `modules_to_save` takes: as in PEFT, a name that ends so or lies in such a module. E_ADAPTER when one takes nothing. */
export function savedPaths({ layers }: Pick<Model, 'layers'>, names: readonly string[]): string[] {
  const paths = [...layers.keys()]
  for (const name of names) {
    if (paths.some((path) => isWithin(path, name))) continue
    const endings = [...new Set(paths.flatMap((path) => path.split('.')))].filter(
      (part) => !/^\d+$/.test(part),
    )
    const near = nearestNames(name, endings)
    throw new TrituneError('E_ADAPTER', `modules_to_save: "${name}" is no module of the model`, {
      remedy: near.length > 0 ? `did you mean "${near[0]}"?` : `it has: ${endings.join(', ')}`,
    })
  }
  return paths.filter((path) => names.some((name) => isWithin(path, name)))
}

/** The adapters of layers with those of what is trained beside them. Throws E_ADAPTER when both want a layer; what was made here is then freed. */
export function addBeside(
  model: Model,
  own: Adapters,
  options: BesideOptions,
  { trained = true }: { readonly trained?: boolean } = {},
): Adapters {
  const all = new Map(own)
  const put = (path: string, adapter: Adapter): void => {
    if (!all.has(path)) return void all.set(path, adapter)
    adapter[Symbol.dispose]()
    throw new TrituneError('E_ADAPTER', `${path} is trained in two ways`, {
      remedy: 'leave it to one of target_modules, modules_to_save and trainable_token_indices',
    })
  }
  try {
    addModules(model, options, put, trained)
    addTokens(model, options, put)
    addBiases(model, all, own, options)
    return inModelOrder(model, all)
  } catch (error) {
    for (const [path, adapter] of all) if (!own.has(path)) adapter[Symbol.dispose]()
    throw error
  }
}

/** The fields of adapter_config.json, of what is asked for. */
export function besideFields({
  modulesToSave,
  trainableTokenIndices,
  bias,
  ensureWeightTying,
}: BesideOptions): Record<string, unknown> {
  return {
    ...(modulesToSave?.length && { modules_to_save: modulesToSave }),
    ...(trainableTokenIndices && { trainable_token_indices: trainableTokenIndices }),
    ...(bias !== undefined && bias !== 'none' && { bias }),
    ...(ensureWeightTying === true && { ensure_weight_tying: true }),
  }
}

/** Adapters in the order of the layers. */
export function inModelOrder({ layers }: Model, adapters: Adapters): Map<string, Adapter> {
  const paths = [...layers.keys()]
  return new Map([...adapters].toSorted(([a], [b]) => paths.indexOf(a) - paths.indexOf(b)))
}

/** Layer by layer, with the token ids that are trained; the second of two tied layers follows the first. */
export function tokenLayers(
  model: Model,
  tokens: TrainableTokens,
  ensureWeightTying: boolean,
): { readonly layer: Layer; readonly indices: readonly number[]; readonly follower: Layer | null }[] {
  const named: readonly (readonly [Layer, readonly number[]])[] = Array.isArray(tokens)
    ? [[model.embedding, tokens]]
    : Object.entries(tokens).map(([name, indices]) => [layerNamed(model, name), indices])
  const { embedding, head } = model
  const isTied = head.tiedTo === embedding.path
  const of = new Map(named)
  const [ofEmbedding, ofHead] = [of.get(embedding), of.get(head)]
  const differ = ofEmbedding && ofHead && ofEmbedding.join() !== ofHead.join()
  if (isTied && differ && ensureWeightTying)
    throw new TrituneError('E_ADAPTER', 'trainable_token_indices: tied layers have different tokens', {
      remedy: 'name the same tokens for both, or leave ensure_weight_tying out',
    })
  const follows = isTied && ofEmbedding !== undefined && !differ
  return [...of].flatMap(([layer, indices]) =>
    follows && layer === head
      ? []
      : [{ layer, indices, follower: follows && layer === embedding ? head : null }],
  )
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** PEFT ties what is named so; others, such as GPT-2's `wte`, it does not know for a pair. */
const TIED_NAMES: readonly string[] = ['embed_tokens', 'lm_head']

type Put = (path: string, adapter: Adapter) => void

function addModules(
  model: Model,
  { modulesToSave, ensureWeightTying = false }: BesideOptions,
  put: Put,
  trained: boolean,
): void {
  const paths = new Set(savedPaths(model, modulesToSave ?? []))
  const { embedding, head } = model
  const pair = [embedding.path, head.path]
  const isNamed = (modulesToSave ?? []).some((name) => TIED_NAMES.includes(name.split('.').at(-1) ?? ''))
  const isTied = head.tiedTo === embedding.path && ensureWeightTying && isNamed
  for (const path of paths) {
    const layer = model.layers.get(path)
    if (layer && !(isTied && pair.includes(path)))
      put(path, createSavedModule(layer, copyModule(layer, { trained })))
  }
  if (!isTied) return
  const copy = copyModule(embedding, { trained })
  const sameAs = createSavedModule(embedding, copy)
  put(embedding.path, sameAs)
  put(head.path, createSavedModule(head, copy, { sameAs }))
}

function addTokens(
  model: Model,
  { trainableTokenIndices, ensureWeightTying = false }: BesideOptions,
  put: Put,
): void {
  if (!trainableTokenIndices) return
  for (const { layer, indices, follower } of tokenLayers(model, trainableTokenIndices, ensureWeightTying)) {
    const rows = takeTokenRows(layer, indices)
    const sameAs = createTokenRows(layer, rows)
    put(layer.path, sameAs)
    if (follower) put(follower.path, createTokenRows(follower, rows, { sameAs }))
  }
}

function addBiases(
  { layers }: Model,
  all: Map<string, Adapter>,
  own: Adapters,
  { bias = 'none' }: BesideOptions,
): void {
  if (bias === 'none') return
  for (const [path, layer] of layers) {
    const adapter = all.get(path)
    if (adapter ? !own.has(path) : bias !== 'all') continue
    const taken = takeBias(layer)
    if (!taken) continue
    const names = { 'base_layer.bias': taken }
    all.set(path, adapter ? overBase(adapter, { bias: taken, names }) : createOwnBias(taken))
  }
}

function layerNamed({ layers }: Model, name: string): Layer {
  const found = [...layers.values()].filter(
    ({ path, kind }) => (kind === 'embedding' || kind === 'head') && path.endsWith(name),
  )
  if (found.length === 1) return found[0]
  const known = [...layers.values()].flatMap(({ path, kind }) =>
    kind === 'embedding' || kind === 'head' ? [path] : [],
  )
  throw new TrituneError(
    'E_ADAPTER',
    `trainable_token_indices: "${name}" is no layer with a row for each token`,
    {
      remedy: `name one of ${known.join(', ')}`,
    },
  )
}

/** PEFT: `key.endswith(name)` for a module or one that it is in. */
function isWithin(path: string, name: string): boolean {
  const parts = path.split('.')
  return parts.some((_, i) =>
    parts
      .slice(0, i + 1)
      .join('.')
      .endsWith(name),
  )
}
