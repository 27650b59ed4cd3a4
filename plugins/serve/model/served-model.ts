/**
 * A model that is served: the base and its adapters, each under a name that clients ask for. They share the weights, so texts of
 * different names are made in the same passes.
 */
import { Disposables } from '../../../core/disposables.ts'
import {
  BASE_MODEL,
  createHost,
  type Device,
  didYouMean,
  type DocumentAdapters,
  type FloatDType,
  type Model,
  type Plugin,
  TrituneError,
} from '../../../core/mod.ts'
import { basename, resolve } from 'node:path'
import { cpu } from '../../cpu/mod.ts'
import { cuda, type DeviceName, openDevice } from '../../cuda/mod.ts'
import { openTokenizerFor, packedWeights, type WritingQuantizer } from '../../generate/mod.ts'
import { isHubName, resolveModel } from '../../hub/mod.ts'
import { loadModel, models } from '../../models/mod.ts'
import { adapterVocabulary, loadAdapter, peft } from '../../peft/mod.ts'
import type { Tokenizer } from '../../tokenizer/mod.ts'
import { wasm } from '../../wasm/mod.ts'
import { otherBase } from './other-base.ts'

/** One name that clients can ask for. */
export interface ServedVoice {
  readonly name: string
  /** The name of the base; null: this is it. */
  readonly parent: string | null
  readonly adapters: DocumentAdapters
  readonly tokenizer: Tokenizer
}

/** A model with all that is served of it. Disposing it frees the model. */
export interface ServedModel extends Disposable {
  readonly model: Model
  /** The base first, then the adapters as they were given. */
  readonly voices: ReadonlyMap<string, ServedVoice>
  /** Seconds since 1970: when it was opened. */
  readonly created: number
  /** E_NAME, with the nearest names, for one that is not served. */
  voice(name: string): ServedVoice
}

/** Options of `openServedModel()`. */
export interface ServedModelOptions {
  /** What clients call the base; default: its hub name, or the name of its folder or file. */
  readonly name?: string
  /** Name → folder of a PEFT adapter. */
  readonly adapters?: ReadonlyMap<string, string>
  /** Of all names, instead of what their files have: a name as `chat_template` of a run has it (`chatml`), the path of a Jinja file, or its text. */
  readonly chatTemplate?: string
  readonly dtype?: FloatDType
  /** Default: HF_HUB_OFFLINE. */
  readonly offline?: boolean
  /** Told what takes time while the model is found, and of adapters that name another base. */
  readonly onNote?: (text: string) => void
  /** Default: `auto`. */
  readonly device?: Device | DeviceName
  /** Packs the linear layers and the head while the model is loaded; default: as they are stored. */
  readonly quantizer?: WritingQuantizer
  /** For adapters and models that are not built in. */
  readonly plugins?: readonly Plugin[]
}

/**
 * Opens everything before anything is served: an adapter that does not fit is an error here. `ref` is a hub name, a folder or a .gguf file.
 * Throws E_CONFIG for two equal names, and what `loadModel()` and `loadAdapter()` throw.
 *
 * @example
 * ```ts
 * import { openServedModel } from 'tritune/plugins/serve'
 *
 * using served = await openServedModel('my-model', { adapters: new Map([['german', 'german']]) })
 * console.log([...served.voices.keys()]) // → [ 'my-model', 'german' ]
 * ```
 */
export async function openServedModel(
  ref: string,
  {
    name,
    adapters = new Map(),
    chatTemplate,
    dtype,
    offline,
    onNote,
    device = 'auto',
    quantizer,
    plugins = [],
  }: ServedModelOptions = {},
): Promise<ServedModel> {
  const base = name ?? nameOf(ref)
  expectNames(base, [...adapters.keys()])
  const { device: on, note = null } = typeof device === 'string' ? openDevice(device) : { device }
  if (note !== null) onNote?.(note)
  const path = await resolveModel(ref, { offline, onNote })
  const tokenizer = openTokenizerFor(path, undefined, chatTemplate)
  using open = new Disposables()
  const host = open.use(createHost({ plugins: [cpu, cuda, wasm, models, peft, ...plugins] }))
  const definitions = host.all('adapter')
  const vocabSize = [...adapters.values()].reduce(
    (most, folder) => Math.max(most, adapterVocabulary(folder, definitions)),
    0,
  )
  const model = open.use(
    loadModel(path, { device: on, dtype, models: host.all('model'), vocabSize, ...packedWeights(quantizer) }),
  )
  if (model.scoreHead)
    throw new TrituneError('E_MODEL', 'the model scores texts, it writes none', { place: path })
  const voices: ServedVoice[] = [{ name: base, parent: null, adapters: BASE_MODEL, tokenizer }]
  for (const [own, folder] of adapters) {
    open.use(loadAdapter(model, folder, { name: own, definitions, onNote }))
    const other = otherBase(folder, ref)
    if (other !== null) onNote?.(`the adapter ${own} was made for ${other}, and is served on ${ref}`)
    const tokenizer = openTokenizerFor(path, folder, chatTemplate)
    voices.push({ name: own, parent: base, adapters: own, tokenizer })
  }
  return served(model, voices, open.move())
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function served(model: Model, all: readonly ServedVoice[], owned: Disposables): ServedModel {
  const voices = new Map(all.map((voice) => [voice.name, voice]))
  return {
    model,
    voices,
    created: Math.floor(Date.now() / 1000),
    voice(name) {
      const voice = voices.get(name)
      if (voice) return voice
      throw new TrituneError('E_NAME', `there is no model "${name}"`, {
        remedy: didYouMean(name, voices.keys()),
      })
    },
    [Symbol.dispose]: () => owned.dispose(),
  }
}

function nameOf(ref: string): string {
  return isHubName(ref) ? ref : basename(resolve(ref)).replace(/\.gguf$/, '')
}

function expectNames(base: string, adapters: readonly string[]): void {
  for (const name of [base, ...adapters])
    if (name.trim() === '' || name === BASE_MODEL)
      throw new TrituneError('E_CONFIG', `a model cannot be called "${name}"`, {
        remedy: 'give it another name',
      })
  if (adapters.includes(base))
    throw new TrituneError('E_CONFIG', `the base and an adapter are both called "${base}"`, {
      remedy: 'give one of them another name',
    })
}
