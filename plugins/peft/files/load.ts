/**
 * Reads an adapter that PEFT, tritune or mlx-lm wrote and puts it on a model; of a `.gguf` file, see load-gguf.ts.
 *
 * The definition comes from `peft_type`, or for a method that PEFT has not, from the name that `attachAdapter` wrote. The tensors are
 * those that the adapter itself names in `parameters()`.
 */
import { dirname, join } from 'node:path'
import type { Checkpoint } from '../../../core/files/checkpoint.ts'
import type { TensorEntry } from '../../../core/files/safetensors.ts'
import {
  type AnyAdapterDefinition,
  didYouMean,
  type ExpertParameter,
  formatShape,
  type Model,
  type Tensor,
  TrituneError,
} from '../../../core/mod.ts'
import {
  DEFAULT_NAME,
  install,
  makeForLayers,
  makeForModel,
  NAME_KEY,
  OPTIONS_KEY,
  withTied,
} from '../attach/attach.ts'
import { openAdapterFiles, readConfigJson } from './adapter-files.ts'
import { type AttachedAdapter, expectFree } from '../attach/attached-adapter.ts'
import { withoutBaseWeights } from '../attach/base-weights.ts'
import { addBeside } from '../beside/beside.ts'
import {
  addStoredTables,
  adapterVocabulary as vocabularyInFolder,
  besideOf,
  expectVocabulary,
  ownEntries,
  withoutBeside,
} from '../beside/from-file.ts'
import { labelsInFolder } from '../beside/score-labels.ts'
import { fillParameter } from '../fill-parameter.ts'
import { tieLoaded } from '../lora/lora-tied.ts'
import { disposeMade, type MadeAdapter } from '../attach/made-adapter.ts'
import { loadGgufAdapter } from './load-gguf.ts'
import { plainLoraFields, targetParametersOf } from '../lora/lora-format.ts'
import type { LoraOptions } from '../lora/lora-options.ts'
import { lora } from '../methods/lora.ts'
import { METHODS } from '../methods/methods.ts'
import { isMlxConfig, mlxFields } from '../mlx/mod.ts'
import { checkTargets, NOT_OF_ONE } from '../attach/check-targets.ts'
import { factorNames, matchExperts, partsOf, withExperts } from '../experts/with-experts.ts'
import { otherBaseRemedy } from '../attach/trained-base.ts'
import { layerTensors, PREFIX, SHARED_PREFIX } from './tensor-names.ts'
import { remedyFromRecords } from '../attach/plugin-records.ts'
import { CONFIG_FILE } from './save.ts'
import { unknownFields, unknownFieldsNote, withoutFields } from './unknown-fields.ts'

/** Definitions by name: `host.all('adapter')`, or `{ [mine.name]: mine }`. */
export type AdapterDefinitions = Readonly<Record<string, AnyAdapterDefinition>>

/** Options of `loadAdapter()`: its name on the model, and definitions that are not built in. */
export interface LoadAdapterOptions {
  /** Tells several adapters of one model apart; default: `default`. */
  readonly name?: string
  /** Of a LoRA: instead of what the file says. */
  readonly dropout?: number
  /** Adapters of plugins by name, for folders that were trained with them. */
  readonly definitions?: AdapterDefinitions
  /** Hears which fields of adapter_config.json are not known and left out. */
  readonly onNote?: (text: string) => void
}

/**
 * The adapter is active from then on, beside those that are. Throws E_FILE, E_FORMAT, E_ADAPTER (does not fit the model), E_NAME or
 * E_UNSUPPORTED; the model is then unchanged.
 *
 * @example
 * ```ts
 * import { loadModel } from 'tritune/plugins/models'
 * import { loadAdapter } from 'tritune/plugins/peft'
 *
 * using model = loadModel('my-model')
 * using adapter = loadAdapter(model, 'my-adapter') // of PEFT or of tritune
 * console.log(adapter.parameters.size > 0) // → true
 * ```
 */
export function loadAdapter(
  model: Model,
  folder: string,
  { name = DEFAULT_NAME, dropout, definitions = {}, onNote }: LoadAdapterOptions = {},
): AttachedAdapter {
  if (folder.endsWith('.gguf')) return loadGgufAdapter(model, folder, { name, dropout })
  const given = readAdapterConfig(folder, definitions)
  expectFree(model, name)
  const { checkpoint, entries: stored, file } = openAdapterFiles(folder)
  const entries = withoutBaseWeights(model, checkpoint, stored)
  const place = join(folder, CONFIG_FILE)
  const definition = definitionOf(given, definitions, folder)
  const unknown = unknownFields(definition, given)
  const config = withoutFields(given, unknown)
  const optionsFor = (path: string): unknown => {
    const options = placed(place, () => optionsOf(definition, config, path))
    placed(place, () => expectStored(definition, options, entries))
    return definition.peft?.type === LORA.peft?.type && dropout !== undefined && typeof options === 'object'
      ? { ...options, dropout }
      : options
  }
  const beside = placed(place, () => besideOf(config))
  placed(folder, () => expectVocabulary(model, entries, beside))
  const own = withoutTied(
    model,
    definition,
    placed(place, () => ownEntries(model, entries, beside)),
  )
  const experts = definition === LORA ? matchExperts(model, targetParametersOf(config)) : []
  const base = placed(file, () =>
    make(model, definition, { entries: own, optionsFor, file, experts, config }),
  )
  let made = base
  try {
    if (!made.whole && definition.peft && typeof config[NAME_KEY] !== 'string')
      placed(place, () => checkTargets(model, config, own.keys()))
    if (!made.whole) {
      const adapters = placed(place, () =>
        addBeside(model, withTied(model, definition, base.adapters), beside),
      )
      made = { ...base, adapters }
      made = { ...base, adapters: addStoredTables(model, adapters, entries, beside) }
    }
    fill(made, checkpoint, entries, { file, config })
    const { base_model_name_or_path: _base, ...kept } = config
    const matched = [...made.adapters.keys()]
    const match = { matched, counts: new Map([[file, matched.length]]) }
    const tied = config.ensure_weight_tying === true ? tieLoaded(model, made.adapters) : made.adapters
    if (unknown.length > 0) onNote?.(unknownFieldsNote(place, unknown, config))
    return install(
      model,
      { ...made, adapters: tied },
      { name, match, config: storedFields(definition, kept) },
    )
  } catch (error) {
    disposeMade(made)
    throw error
  }
}

/** adapter_config.json of a folder, checked to be of a method that can be run. */
export function readAdapterConfig(
  folder: string,
  definitions: AdapterDefinitions = {},
): Readonly<Record<string, unknown>> {
  const place = join(folder, CONFIG_FILE)
  const given = readConfigJson(folder)
  const fields = isMlxConfig(given) ? placed(place, () => mlxFields(folder, given)) : given
  const definition = definitionOf(fields, definitions, folder)
  placed(place, () => optionsOf(definition, fields, ''))
  return fields
}

/**
 * How many tokens a model must have for the adapter in a folder; 0: the adapter does not say, any model is large enough.
 *
 * @example
 * ```ts
 * import { loadModel } from 'tritune/plugins/models'
 * import { adapterVocabulary, loadAdapter } from 'tritune/plugins/peft'
 *
 * using model = loadModel('my-model', { vocabSize: adapterVocabulary('my-adapter') })
 * using adapter = loadAdapter(model, 'my-adapter')
 * console.log(adapter.name) // → default
 * ```
 */
export function adapterVocabulary(folder: string, definitions: AdapterDefinitions = {}): number {
  if (folder.endsWith('.gguf')) return 0
  return vocabularyInFolder(folder, readAdapterConfig(folder, definitions))
}

/**
 * How many scores the adapter in a folder gives a text: what `loadModel(path, { labels })` needs to know. undefined: it predicts tokens.
 *
 * @example
 * ```ts
 * import { loadModel } from 'tritune/plugins/models'
 * import { adapterLabels, loadAdapter } from 'tritune/plugins/peft'
 *
 * using model = loadModel('my-model', { labels: adapterLabels('my-adapter') })
 * using _adapter = loadAdapter(model, 'my-adapter')
 * console.log(model.scoreHead) // → null
 * ```
 */
export function adapterLabels(folder: string, definitions: AdapterDefinitions = {}): number | undefined {
  if (folder.endsWith('.gguf')) return undefined
  return labelsInFolder(folder, readAdapterConfig(folder, definitions))
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const LORA: AnyAdapterDefinition = METHODS.lora
const BUILT_IN: readonly AnyAdapterDefinition[] = Object.values(METHODS)

function definitionOf(
  config: Readonly<Record<string, unknown>>,
  definitions: AdapterDefinitions,
  folder: string,
): AnyAdapterDefinition {
  const place = join(folder, CONFIG_FILE)
  const name = config[NAME_KEY]
  if (typeof name === 'string') {
    if (Object.hasOwn(definitions, name)) return definitions[name]
    throw new TrituneError('E_NAME', `the adapter is of the kind "${name}", which no plugin provides`, {
      place,
      remedy:
        remedyFromRecords(folder, `adapter:${name}`) ??
        `give the module that provides it (--plugin); ${didYouMean(name, Object.keys(definitions))}`,
    })
  }
  // What a plugin says of a type goes before what is built in.
  const given = Object.values(definitions).filter((one) => !BUILT_IN.includes(one))
  const known = [...given, ...BUILT_IN].filter(({ peft }) => peft)
  const definition = known.find(({ peft }) => peft?.type === config.peft_type)
  if (definition) return definition
  throw new TrituneError(
    'E_UNSUPPORTED',
    `adapters of type ${JSON.stringify(config.peft_type)} are not supported yet`,
    {
      place,
      remedy:
        remedyFromRecords(folder, `adapter:${String(config.peft_type).toLowerCase()}`) ??
        `supported: ${[...new Set(known.map(({ peft }) => peft?.type))].join(', ')}`,
    },
  )
}

function optionsOf(
  { options, peft }: AnyAdapterDefinition,
  config: Readonly<Record<string, unknown>>,
  path: string,
): unknown {
  return typeof config[NAME_KEY] === 'string' || !peft
    ? options.validate(config[OPTIONS_KEY])
    : options.validate(peft.read(withoutBeside(config), path))
}

/** What the configuration says when the adapter is saved again. */
function storedFields(
  definition: AnyAdapterDefinition,
  fields: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  return definition === LORA ? plainLoraFields(fields) : fields
}

/**
 * Options that are a side of some tensor; LoKr takes the whole matrix instead of factors that would be larger, and what OFT counts are
 * blocks, which may share one tensor.
 */
const SIDES = ['rank', 'r', 'init_r', 'mini_r', 'num_virtual_tokens'] as const

/** E_ADAPTER for a rank that no tensor of the file can have: memory for it must not be asked for. */
function expectStored(
  definition: AnyAdapterDefinition,
  options: unknown,
  entries: ReadonlyMap<string, TensorEntry>,
): void {
  if (!BUILT_IN.includes(definition) || definition === METHODS.lokr || definition === METHODS.oft) return
  const widest = [...entries.values()].reduce((most, { shape }) => Math.max(most, ...shape), 0)
  const sides = typeof options === 'object' && options !== null ? Object.entries(options) : []
  const isSide = (name: string): boolean => SIDES.some((side) => side === name)
  const patterns = sides.flatMap(([name, value]): [string, unknown][] =>
    name === 'rank_pattern' && typeof value === 'object' && value !== null
      ? Object.entries(value).map(([key, one]) => [`rank_pattern: ${key}`, one])
      : [],
  )
  for (const [name, value] of [...sides.filter(([side]) => isSide(side)), ...patterns])
    if (typeof value === 'number' && value > widest)
      throw new TrituneError(
        'E_ADAPTER',
        `${name} is ${value}, but no side of a tensor of the file is longer than ${widest}`,
        {
          remedy:
            'the configuration and the tensors are not of one adapter: copy both again from where it was trained',
        },
      )
}

interface Stored {
  readonly entries: ReadonlyMap<string, TensorEntry>
  optionsFor(path: string): unknown
  readonly file: string
  readonly experts: readonly ExpertParameter[]
  readonly config: Readonly<Record<string, unknown>>
}

/** Of a definition that makes the adapters of tied layers itself: the tensors of one of the two. */
function withoutTied<T>(
  { layers }: Model,
  definition: AnyAdapterDefinition,
  entries: ReadonlyMap<string, T>,
): ReadonlyMap<string, T> {
  if (!('createTied' in definition) || !definition.createTied) return entries
  const has = (path: string): boolean =>
    [...entries.keys()].some((name) => name.startsWith(`${PREFIX}${path}.`))
  const tied = [...layers.values()].filter(({ tiedTo }) => tiedTo !== null && has(tiedTo))
  return new Map(
    [...entries].filter(([name]) => !tied.some(({ path }) => name.startsWith(`${PREFIX}${path}.`))),
  )
}

/** The adapters for which the file has tensors. */
function make(
  model: Model,
  definition: AnyAdapterDefinition,
  { entries, optionsFor, file, experts, config }: Stored,
): MadeAdapter {
  if ('createForModel' in definition)
    return makeForModel(model, definition, optionsFor(''), { seed: 0, restoring: true })
  const ofExperts = new Set(
    factorNames(experts).flatMap(({ a, b }) => [`${SHARED_PREFIX}${a}`, `${SHARED_PREFIX}${b}`]),
  )
  const parts = new Set(partsOf(experts))
  const names = [...entries.keys()].filter((name) => !ofExperts.has(name))
  const layers = [...model.layers.values()].filter(
    ({ path }) => parts.has(path) || names.some((name) => name.startsWith(`${PREFIX}${path}.`)),
  )
  for (const name of names) {
    if (!name.startsWith(PREFIX) || layers.some(({ path }) => name.startsWith(`${PREFIX}${path}.`))) continue
    const path = name.slice(PREFIX.length).replace(/(\.lora_[AB])?(\.weight)?$/, '')
    throw new TrituneError('E_ADAPTER', `the adapter has weights for ${path}, which the model lacks`, {
      place: file,
      remedy: `${otherBaseRemedy(config)}; ${didYouMean(path, model.layers.keys())}`,
    })
  }
  if (layers.length === 0 && 'createShared' in definition)
    throw new TrituneError('E_ADAPTER', 'the adapter has tensors for no layer', {
      place: file,
      remedy: 'the file is not whole: save or copy it again',
    })
  if (experts.length === 0) return makeForLayers(definition, layers, { seed: 0, optionsFor })
  const ownOptions = (path: string): LoraOptions => lora.options.validate(optionsFor(path))
  return makeForLayers(withExperts(lora, experts, ownOptions), layers, { seed: 0, optionsFor: ownOptions })
}

/** Every tensor of the file has its place, and every place its tensor, or it is an error and nothing is used. */
function fill(
  made: MadeAdapter,
  checkpoint: Checkpoint,
  entries: ReadonlyMap<string, TensorEntry>,
  { file, config }: Pick<Stored, 'file' | 'config'>,
): void {
  const wanted = layerTensors(made)
  const names = new Set(wanted.map((one) => one.file))
  for (const name of entries.keys()) {
    if (!names.has(name))
      throw new TrituneError('E_UNSUPPORTED', `tensor "${name}" is not part of a plain ${made.kind}`, {
        place: file,
        remedy: NOT_OF_ONE,
      })
  }
  for (const { file: name, tensor } of wanted) {
    const entry = entries.get(name)
    if (!entry)
      throw new TrituneError('E_ADAPTER', `there is no tensor "${name}"`, {
        place: file,
        remedy: NOT_OF_ONE,
      })
    if (entry.shape.join() !== tensor.shape.join()) {
      throw new TrituneError(
        'E_ADAPTER',
        `tensor "${entry.name}" has shape ${formatShape(entry.shape)}; ${CONFIG_FILE} and this model ask for ${formatShape(tensor.shape)}`,
        { place: file, remedy: isOtherRank(name, entry, tensor) ? NOT_OF_ONE : otherBaseRemedy(config) },
      )
    }
    fillParameter(tensor, entry, checkpoint, file)
  }
}

/** A factor of LoRA that fits the layer: only its rank is not that of the configuration. */
function isOtherRank(name: string, { shape: got }: TensorEntry, { shape: wanted }: Tensor): boolean {
  const [, factor] = /\.lora_(?:embedding_)?([AB])(?:\.weight)?$/.exec(name) ?? []
  if (factor === undefined || got.length !== 2 || wanted.length !== 2) return false
  const layer = factor === 'A' ? 1 : 0
  return got[layer] === wanted[layer]
}

/** Says in which file it is wrong. */
function placed<T>(place: string, fn: () => T): T {
  try {
    return fn()
  } catch (error) {
    if (!(error instanceof TrituneError) || error.message.includes(place)) throw error
    // A file of the same folder is named already.
    if (error.place !== undefined && dirname(error.place) === dirname(place)) throw error
    const [what] = error.message.split('\n  → ')
    throw new TrituneError(error.code, what, { place, remedy: error.remedy, cause: error })
  }
}
