/**
 * Puts an adapter on a model, and takes it off again.
 */
import {
  type Adapter,
  type AdapterContext,
  type AdapterDefinition,
  type AnyAdapterDefinition,
  hasMergedAdapters,
  type Layer,
  type LayerAdapterDefinition,
  type LayerKind,
  type Model,
  type Parameters,
  type PeftTarget,
  TrituneError,
} from '../../../core/mod.ts'
import { type AttachedAdapter, expectFree, forgetAttached, rememberAttached } from './attached-adapter.ts'
import { attachOptions } from './attach-options.ts'
import { addBeside, besideFields, type BesideOptions, savedPaths } from '../beside/beside.ts'
import { taskFields, withScoreHead } from '../beside/score-head.ts'
import { expectParameters } from './expect-parameters.ts'
import { hooked } from './hooked.ts'
import { disposeMade, type MadeAdapter } from './made-adapter.ts'
import { layerTensors, trainedOf } from '../files/tensor-names.ts'
import { checkPatterns, matchLayers, targetFields, type TargetMatch, type TargetOptions } from './targets.ts'

/** Under these keys of adapter_config.json stand the name of a definition and its options, where PEFT has no such method. */
export const NAME_KEY = 'tritune_adapter'
export const OPTIONS_KEY = 'tritune_options'

/** Options of `attachAdapter()`; `O` are those of the adapter. */
export interface AttachOptions<O> extends Partial<TargetOptions>, BesideOptions {
  /** Tells several adapters of one model apart; default: `default`. */
  readonly name?: string
  /** Seeds the initial values; the same seed gives the same adapter. */
  readonly seed?: number
  /** Token ids of a text with the tokens that stand around it, for an adapter that starts from words: `(text) => tokenizer.encode(text)`. */
  readonly encode?: AdapterContext['encode']
  /** Options of one module, where they differ. */
  optionsFor?(path: string, options: O): O
  /** More fields of adapter_config.json, beside what the definition says of itself, or its name and options. */
  readonly fields?: Readonly<Record<string, unknown>>
}

/**
 * The adapter is active from then on, beside those that are. Throws E_CONFIG or E_CONFIG_KEY for options that there are not, E_ADAPTER when a
 * target matches nothing or is no layer for this adapter, or when the name is taken; the model is then unchanged.
 *
 * @example
 * ```ts
 * import { loadModel } from 'tritune/plugins/models'
 * import { attachAdapter } from 'tritune/plugins/peft'
 * import { vectorScale } from './vector-scale.ts'
 *
 * using model = loadModel('my-model')
 * using adapter = attachAdapter(model, vectorScale, { init: 1 }, { targetModules: ['v_proj'] })
 * console.log([...adapter.parameters.keys()].length) // → 2
 * ```
 */
export function attachAdapter<O>(
  model: Model,
  definition: AdapterDefinition<O>,
  given: O,
  attach: AttachOptions<O> = {},
): AttachedAdapter {
  attachOptions.validate(attach)
  const options = definition.options.validate(given)
  const {
    name = DEFAULT_NAME,
    seed = 0,
    encode,
    optionsFor = (_path, shared) => shared,
    fields = {},
    targetModules,
    modulesToSave = null,
    trainableTokenIndices = null,
    bias = 'none',
    ensureWeightTying = false,
    ...rest
  } = attach
  expectFree(model, name)
  const asked: BesideOptions = { modulesToSave, trainableTokenIndices, bias, ensureWeightTying }
  if ('createForModel' in definition) {
    if (targetModules !== undefined)
      throw new TrituneError('E_ADAPTER', `${definition.name} is of the whole model and takes no targets`)
    const [first] = Object.keys(besideFields(asked))
    if (first !== undefined)
      throw new TrituneError('E_ADAPTER', `${definition.name} is of the whole model and takes no ${first}`)
    const made = makeForModel(model, definition, options, { seed, ...(encode && { encode }) })
    return install(model, made, {
      name,
      match: NO_MATCH,
      config: { ...configOf(definition, options, { layers: [], info: model.info }), ...fields },
    })
  }
  if (targetModules === undefined)
    throw new TrituneError('E_ADAPTER', `${definition.name} goes on layers: targetModules is missing`, {
      remedy: "name modules, or 'all-linear'",
    })
  const targets = { ...rest, targetModules }
  const found = matchLayers(model, targets)
  const beside = withScoreHead(model, asked, found.matched)
  expectKnown(definition, beside)
  const match = withoutSaved(found, savedPaths(model, beside.modulesToSave ?? []))
  const layers = match.matched.flatMap((path) => model.layers.get(path) ?? [])
  expectPatterns(options, match.matched)
  const made = makeForLayers(definition, layers, { seed, optionsFor: (path) => optionsFor(path, options) })
  const config = {
    ...configOf(definition, options, { layers, info: model.info }),
    ...(definition.peft ? targetFields(targets, match.matched, definition.peft.lacks) : {}),
    ...besideFields(beside),
    ...taskFields(model),
    ...fields,
  }
  try {
    const adapters = addBeside(model, withTied(model, definition, made.adapters), beside)
    return install(model, { ...made, adapters }, { name, match, config })
  } catch (error) {
    disposeMade(made)
    throw error
  }
}

/** E_ADAPTER when a layer is of a kind that the definition does not take; nothing is left then. */
export function makeForLayers<O>(
  definition: Exclude<AdapterDefinition<O>, { createForModel: unknown }>,
  layers: readonly Layer[],
  { seed, optionsFor }: { readonly seed: number; optionsFor(path: string): O },
): MadeAdapter {
  for (const { path, kind } of layers) expectKind(definition, path, kind)
  const adapters = new Map<string, Adapter>()
  const made = { kind: definition.name, adapters, whole: null }
  if ('createShared' in definition) {
    const [first] = layers
    const shared = definition.createShared(layers, optionsFor(first?.path ?? ''), { seed })
    for (const [i, { path }] of layers.entries()) adapters.set(path, shared.adapters[i])
    return { ...made, shared }
  }
  try {
    for (const layer of layers) {
      const adapter = definition.create(layer, optionsFor(layer.path), { seed })
      expectParameters(definition.name, adapter.parameters())
      adapters.set(layer.path, adapter)
    }
    return { ...made, shared: null }
  } catch (error) {
    for (const adapter of adapters.values()) adapter[Symbol.dispose]()
    throw error
  }
}

export function makeForModel<O>(
  model: Model,
  definition: Extract<AdapterDefinition<O>, { createForModel: unknown }>,
  options: O,
  context: AdapterContext,
): MadeAdapter {
  const whole = definition.createForModel(model, options, context)
  const { contextLength } = model.info
  if (whole.length >= contextLength) {
    whole[Symbol.dispose]()
    throw new TrituneError(
      'E_ADAPTER',
      `${definition.name} takes ${whole.length} positions of the ${contextLength} that the model knows`,
      { remedy: `give fewer num_virtual_tokens: less than ${contextLength}` },
    )
  }
  return { kind: definition.name, adapters: new Map(), shared: null, whole }
}

/** With adapters for layers that share the weight of one that has one, where the definition makes them. */
export function withTied(
  { layers }: Model,
  definition: Pick<AnyAdapterDefinition, 'name'> | LayerAdapterDefinition<never>,
  adapters: ReadonlyMap<string, Adapter>,
): ReadonlyMap<string, Adapter> {
  if (!('createTied' in definition) || !definition.createTied) return adapters
  const all = new Map(adapters)
  for (const layer of layers.values()) {
    const first = layer.tiedTo === null ? undefined : all.get(layer.tiedTo)
    const tied = first && !all.has(layer.path) ? definition.createTied(layer, first) : null
    if (tied) all.set(layer.path, tied)
  }
  return all
}

export interface Installation {
  readonly name: string
  readonly match: TargetMatch
  readonly config: Readonly<Record<string, unknown>>
}

/** Puts what was made on the model. */
export function install(
  model: Model,
  made: MadeAdapter,
  { name, match, config }: Installation,
): AttachedAdapter {
  const { kind, adapters, shared, whole } = made
  const names = layerTensors(made)
  const tensors = new Map(names.map(({ file, tensor }) => [file, tensor]))
  const encoder = whole?.encoder && new Map(Object.entries(whole.encoder()))
  const slots: { readonly name: string }[] = []
  const put = <A>(list: { name: string; adapter: A; weight: number }[], adapter: A): void => {
    const slot = { name, adapter, weight: 1 }
    list.push(slot)
    slots.push(slot)
  }
  for (const [path, adapter] of adapters) put(model.layers.get(path)?.adapters ?? [], adapter)
  if (whole) put(model.adapters, whole)
  const attached: AttachedAdapter = {
    get name() {
      return slots[0]?.name ?? name
    },
    kind,
    match,
    adapters,
    parameters: trainedOf(names, made),
    get tensors() {
      whole?.encode?.()
      return tensors
    },
    config,
    around: (chain) =>
      shared ? hooked(shared, chain) : encoder ? hooked({ tensors: () => encoder }, chain) : chain,
    finished: () => shared?.finished?.() ?? null,
    [Symbol.dispose]() {
      for (const [path, adapter] of adapters) remove(model.layers.get(path)?.adapters ?? [], adapter)
      if (whole) remove(model.adapters, whole)
      forgetAttached(model, attached)
      disposeMade(made)
    },
  }
  rememberAttached(model, attached)
  return attached
}

/**
 * Makes every weight of the model trainable (`adapter: none`), named as in the checkpoint.
 *
 * @example
 * ```ts
 * import { loadModel } from 'tritune/plugins/models'
 * import { trainAllWeights } from 'tritune/plugins/peft'
 *
 * using model = loadModel('my-model', { writable: true })
 * const parameters = trainAllWeights(model)
 * console.log(parameters.has('model.embed_tokens.weight')) // → true
 * ```
 */
export function trainAllWeights(model: Model): Parameters {
  if (hasMergedAdapters(model))
    throw new TrituneError('E_ADAPTER', 'adapters are merged into the weights of the model', {
      remedy: 'save the merged model and train that, or call unmergeAdapters(model) first',
    })
  for (const weight of model.weights.values()) weight.requiresGrad = true
  return model.weights
}

export const DEFAULT_NAME = 'default'
export const NO_MATCH: TargetMatch = { matched: [], counts: new Map() }

// ---- helpers ----------------------------------------------------------------------------------------------------

function configOf<O>(
  { name, peft }: AdapterDefinition<O>,
  options: O,
  on: PeftTarget,
): Record<string, unknown> {
  return peft
    ? { ...peft.write(options, on), peft_type: peft.type }
    : { [NAME_KEY]: name, [OPTIONS_KEY]: options }
}

/** Options that differ by module name modules that there are. */
function expectPatterns(options: unknown, matched: readonly string[]): void {
  if (typeof options !== 'object' || options === null) return
  for (const [name, pattern] of Object.entries(options))
    if ((name === 'rank_pattern' || name === 'alpha_pattern') && isNumbers(pattern))
      checkPatterns(name, pattern, matched)
}

/** E_UNSUPPORTED for what the files of the method have no field for. */
function expectKnown<O>({ name, peft }: AdapterDefinition<O>, beside: BesideOptions): void {
  const isOfLora = peft === undefined || peft.type === 'LORA' || peft.type === 'ADALORA'
  if (isOfLora || !beside.trainableTokenIndices) return
  throw new TrituneError('E_UNSUPPORTED', `PEFT knows no trainable_token_indices beside ${name}`, {
    remedy: 'train embedding and head whole: modulesToSave',
  })
}

/** What is trained whole gets no adapter besides, as with PEFT. */
function withoutSaved({ matched, counts }: TargetMatch, saved: readonly string[]): TargetMatch {
  const left = matched.filter((path) => !saved.includes(path))
  if (left.length > 0 || matched.length === 0) return { matched: left, counts }
  throw new TrituneError('E_ADAPTER', 'modules_to_save has all that target_modules matches', {
    remedy: 'leave it to one of them',
  })
}

function isNumbers(pattern: unknown): pattern is Readonly<Record<string, number>> {
  return (
    typeof pattern === 'object' &&
    pattern !== null &&
    Object.values(pattern).every((value) => typeof value === 'number')
  )
}

function expectKind(
  { name, kinds = ['linear'] }: { readonly name: string; readonly kinds?: readonly LayerKind[] },
  path: string,
  kind: LayerKind,
): void {
  if (kinds.includes(kind)) return
  throw new TrituneError('E_ADAPTER', `${name} cannot go on ${path}, which is of the kind ${kind}`, {
    remedy: `it goes on: ${kinds.join(', ')}`,
  })
}

function remove<A>(slots: { readonly adapter: A }[], adapter: A): void {
  const at = slots.findIndex((slot) => slot.adapter === adapter)
  if (at >= 0) slots.splice(at, 1)
}
