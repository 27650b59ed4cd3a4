/**
 * Opens a model from a local Hugging Face folder or a GGUF file. Names on the hub are resolved by plugins/hub first.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  defaultDevice,
  type Device,
  didYouMean,
  type FloatDType,
  type LayerForms,
  type Model,
  type ModelDefinition,
  TrituneError,
  type WeightSource,
} from '../../core/mod.ts'
import { openCheckpoint } from '../../core/files/checkpoint.ts'
import { ggufToHf, openGguf } from '../gguf/mod.ts'
import { absMean, storedBitnetForms } from '../bitnet/mod.ts'
import { packLayers } from '../qlora/mod.ts'
import type { ConfigJson } from './_config.ts'
import { expectRoom } from './_room.ts'
import { readStoredWeights, type StoredWeights } from './_stored.ts'
import { type ScoreOptions, withScores } from './_score.ts'
import { type VocabularyOptions, withVocabulary } from './_vocabulary.ts'
import { openShapeSource } from './_shape-source.ts'
import { MODELS } from './built-in.ts'
import { textOfGemma3 } from './families/_gemma3-text-config.ts'
import { openInitialSource } from './initial-weights.ts'
import { openGgufSource, openSafetensorsSource, storedDType } from './sources.ts'

/** Options of `loadModel()`: where it computes, in which dtype, and whether its weights can be trained. */
export interface LoadModelOptions extends VocabularyOptions, ScoreOptions {
  readonly device?: Device
  /** Compute dtype; default: as stored (f16 becomes bf16). */
  readonly dtype?: FloatDType
  /** Weights will be trained. */
  readonly writable?: boolean
  /** Packs the weights of linear layers as they are loaded; see `WeightSource.pack`. */
  readonly pack?: WeightSource['pack']
  /** Packs the weight of the head, for models that only write; see `WeightSource.packHead`. */
  readonly packHead?: WeightSource['packHead']
  /** Not the weights of the checkpoint but new ones, drawn by this seed: the folder needs none. */
  readonly reinit?: { readonly seed: number }
  /** Fields of config.json that are to be otherwise than in the file, such as `{ output_router_logits: true }`. */
  readonly config?: ConfigJson
  /** How linear layers compute, where that is not x·Wᵀ: BitLinear. Default: as the checkpoint says. */
  readonly forms?: LayerForms
  /** Told of each layer once it has its weight, which may be put elsewhere from then on; see `WeightSource.made`. */
  readonly onLayer?: WeightSource['made']
  /** More models than the built-in ones. */
  readonly models?: Readonly<Record<string, ModelDefinition>>
}

/**
 * Throws E_FILE, E_FORMAT, E_MODEL, E_UNSUPPORTED, or E_MEMORY where the device cannot hold it; nothing stays open then.
 *
 * @example
 * ```ts
 * import { loadModel } from 'tritune/plugins/models'
 *
 * using model = loadModel('my-model', { dtype: 'f32' }) // a folder or a .gguf file
 * console.log(model.info.type, model.layers.has('model.layers.0.self_attn.q_proj')) // → llama true
 * ```
 */
export function loadModel(
  path: string,
  {
    device = defaultDevice(),
    dtype,
    writable = false,
    pack,
    packHead,
    reinit,
    forms,
    onLayer: made,
    models = MODELS,
    labels,
    config: overrides = {},
    ...vocabulary
  }: LoadModelOptions = {},
): Model {
  if (path.endsWith('.gguf')) {
    if (reinit)
      throw new TrituneError('E_UNSUPPORTED', 'a GGUF file has no config.json to start new weights from', {
        place: path,
        remedy: 'name the Hugging Face folder of the model',
      })
    const hf = ggufToHf(openGguf(path))
    if (!pack) expectRoom(hf.tensors.values(), dtype ?? 'f32', device, path)
    using source = openGgufSource(path, hf, { device, dtype: dtype ?? 'f32', writable })
    const definition = definitionOf(hf.config.model_type, models, path)
    const whole = prepared(source, { pack, packHead, forms, made, device, dtype: dtype ?? 'f32' })
    return created({ ...hf.config, ...overrides }, whole, definition, dtype ?? 'f32')
  }
  const config = { ...readConfig(path), ...overrides }
  const definition = modelDefinition(path, models)
  if (reinit) {
    const on = { device, dtype: dtype ?? 'f32' } as const
    const initial = openInitialSource(config, { ...on, ...reinit })
    const layers = layersOf(readStoredWeights(config, path), {
      pack,
      packHead,
      forms,
      writable: true,
      dtype: on.dtype,
    })
    return created(config, prepared(initial, { ...layers, ...on, made }), definition, on.dtype)
  }
  const stored = storedDType(path)
  const wanted = dtype ?? (stored === 'f16' ? 'bf16' : stored)
  const held = readStoredWeights(config, path)
  // What is unpacked as it is read can be trained as well as what was never packed.
  const isTrained = (held?.method === 'bitnet' && held.mode === 'online') || held?.method === 'mxfp4'
  if (held && !isTrained && writable)
    throw new TrituneError('E_UNSUPPORTED', 'packed weights cannot be trained', {
      place: path,
      remedy: `train an adapter on them (adapter: ${held.method === 'bitnet' ? 'lora' : 'qlora'}), or use the plain checkpoint`,
    })
  // What is packed as it is read never lies there whole.
  if (!pack && !held) expectRoom(openCheckpoint(path).entries.values(), wanted, device, path)
  using source = openSafetensorsSource(path, { device, dtype: wanted, writable, stored: held })
  const whole = prepared(source, {
    ...layersOf(held, { pack, packHead, forms, writable, dtype: wanted }),
    made,
    device,
    dtype: wanted,
  })
  return created(config, whole, definition, wanted)

  function created(
    own: ConfigJson,
    from: WeightSource,
    definition: ModelDefinition,
    type: FloatDType,
  ): Model {
    const scoring = withScores(own, from, { labels, seed: vocabulary.seed, device, dtype: type })
    return expectScores(definition.create(...withVocabulary(...scoring, vocabulary)), labels, path)
  }
}

/** Options of `openHollowModel()`: those of `loadModel()` that say which shapes there are. */
export interface HollowModelOptions
  extends Pick<LoadModelOptions, 'models' | 'config'>, VocabularyOptions, ScoreOptions {
  /** One that computes nothing. */
  readonly device: Device
}

/**
 * The built-in model of a folder from its config.json alone, of weights that have a shape and no memory: whether it can be built. null: its
 * family is not built in. Throws as `loadModel()` for what config.json says.
 */
export function openHollowModel(
  path: string,
  { models = MODELS, labels, config: overrides = {}, device, ...vocabulary }: HollowModelOptions,
): Model | null {
  const config: ConfigJson = { ...readConfig(path), ...overrides }
  const definition = definitionOf(String(config.model_type), models, path)
  if (!Object.values<ModelDefinition>(MODELS).includes(definition)) return null
  const source = openShapeSource({ place: path, device })
  const scoring = withScores(config, source, { labels, device, dtype: 'bf16' })
  return expectScores(definition.create(...withVocabulary(...scoring, vocabulary)), labels, path)
}

/** E_UNSUPPORTED for a family whose models cannot score texts. */
function expectScores(model: Model, labels: number | undefined, place: string): Model {
  if (labels === undefined || model.scoreHead) return model
  model[Symbol.dispose]()
  throw new TrituneError('E_UNSUPPORTED', `a ${model.info.architecture} cannot score texts`, {
    place,
    remedy: 'start from another family: all but gpt2 can',
  })
}

type Layers = Pick<LoadModelOptions, 'pack' | 'packHead' | 'forms'>

/** What is asked for, and what the checkpoint says: weights of a BitNet that are not trained are packed, as they are rounded anyway. */
function layersOf(
  held: StoredWeights | null,
  {
    pack,
    packHead,
    forms,
    writable,
    dtype,
  }: Layers & { readonly writable: boolean; readonly dtype: FloatDType },
): Layers {
  if (held?.method !== 'bitnet') return { pack, packHead, forms }
  if (held.mode === 'offline')
    return { pack, packHead, ...(held.subNorm ? { forms: storedBitnetForms(held) } : {}) }
  if (writable) return { forms: forms ?? storedBitnetForms(held) }
  return {
    pack: packLayers(absMean(), dtype, { skip: held.skip ?? [] }),
    packHead,
    ...(held.subNorm ? { forms: storedBitnetForms(held) } : {}),
  }
}

function prepared(
  source: WeightSource,
  {
    pack,
    packHead,
    forms,
    made,
    device,
    dtype,
  }: Layers & { readonly made?: WeightSource['made']; readonly device: Device; readonly dtype: FloatDType },
): WeightSource {
  if (!pack && !packHead && !forms && !made) return source
  const own: WeightSource = {
    place: source.place,
    has: (name) => source.has(name),
    names: () => source.names(),
    load: (name, shape, options) => source.load(name, shape, options),
    packed: (name, shape) => source.packed?.(name, shape) ?? null,
    ...(pack ? { pack } : {}),
    ...(packHead ? { packHead } : {}),
    ...(made ? { made } : {}),
  }
  if (!forms) return own
  return { ...forms.completed(own, { device, dtype }), form: (path, parts) => forms.form(path, parts) }
}

/**
 * The definition that a model folder asks for, from its config.json alone: the weights need not be there yet.
 * Throws E_FILE, E_FORMAT, E_MODEL or E_UNSUPPORTED.
 */
export function modelDefinition(
  folder: string,
  models: Readonly<Record<string, ModelDefinition>> = MODELS,
): ModelDefinition {
  const config = readConfig(folder)
  const type = config.model_type
  if (typeof type !== 'string')
    throw new TrituneError('E_MODEL', 'config.json has no model_type', { place: folder })
  readStoredWeights(config, folder)
  return definitionOf(type, models, folder)
}

/**
 * Reads config.json of a model folder; of a Gemma 3 that sees images, with the fields of its text at the top.
 *
 * @example
 * ```ts
 * import { readConfig } from 'tritune/plugins/models'
 *
 * console.log(readConfig('my-model').model_type) // → llama
 * ```
 */
export function readConfig(folder: string): ConfigJson {
  const file = join(folder, 'config.json')
  if (!existsSync(folder))
    throw new TrituneError('E_FILE', 'no such model folder', { place: folder, remedy: 'check base_model' })
  if (!existsSync(file))
    throw new TrituneError('E_FILE', 'the folder has no config.json', {
      place: folder,
      remedy: 'point base_model to a Hugging Face model folder or a .gguf file',
    })
  try {
    const config: unknown = JSON.parse(readFileSync(file, 'utf8'))
    if (typeof config === 'object' && config !== null && !Array.isArray(config))
      return textOfGemma3(config as ConfigJson)
  } catch (cause) {
    throw new TrituneError(
      'E_FORMAT',
      `not valid JSON: ${cause instanceof Error ? cause.message : String(cause)}`,
      { place: file, remedy: 'the file is damaged: download or copy it again', cause },
    )
  }
  throw new TrituneError('E_FORMAT', 'expected a JSON object', { place: file })
}

function definitionOf(
  type: string,
  models: Readonly<Record<string, ModelDefinition>>,
  place: string,
): ModelDefinition {
  const definition = Object.hasOwn(models, type) ? models[type] : undefined
  if (!definition)
    throw new TrituneError('E_UNSUPPORTED', `models of type "${type}" are not supported yet`, {
      place,
      remedy: didYouMean(type, Object.keys(models)),
    })
  return definition
}
