/**
 * A model with its tokenizer and adapter, ready to write: the few lines that every script would repeat.
 */
import { Disposables } from '../../core/disposables.ts'
import {
  createHost,
  type Device,
  type FloatDType,
  type Host,
  type Model,
  type Plugin,
} from '../../core/mod.ts'
import { cpu } from '../cpu/mod.ts'
import { cuda, type DeviceName, openDevice } from '../cuda/mod.ts'
import { resolveModel } from '../hub/mod.ts'
import { loadModel, models } from '../models/mod.ts'
import { adapterVocabulary, loadAdapter, peft } from '../peft/mod.ts'
import type { Tokenizer } from '../tokenizer/mod.ts'
import { wasm } from '../wasm/mod.ts'
import { openTokenizerFor } from './given-template.ts'
import { packedWeights, type WritingQuantizer } from './packed-weights.ts'
import { type GeneratorInput, streamText, type StreamOptions } from './stream-text.ts'

/** A model that writes: with its tokenizer, and an adapter where one was given. Disposing it frees the model. */
export interface Generator extends Disposable {
  readonly model: Model
  readonly tokenizer: Tokenizer
  /** Text as it is made; never half a character. Ends at an end-of-text token or a stop text, which is not given. */
  stream(input: GeneratorInput, options?: StreamOptions): Iterable<string>
}

/** Options of `openGenerator()`: an adapter, the device and dtype, plugins that provide what is not built in. */
export interface OpenGeneratorOptions {
  /** Folder of a PEFT adapter. */
  readonly adapter?: string
  /** Instead of the one that the files have: a name as `chat_template` of a run has it (`chatml`), the path of a Jinja file, or its text. */
  readonly chatTemplate?: string
  readonly dtype?: FloatDType
  /** Default: HF_HUB_OFFLINE. */
  readonly offline?: boolean
  /** Told what takes time while the model is found: who is waited for, what is checked; and what runs instead of a native library. */
  readonly onNote?: (text: string) => void
  /** Default: `auto`. */
  readonly device?: Device | DeviceName
  /** Packs the linear layers and the head in 8 or 4 bits while the model is loaded: less memory, and more tokens a second. Default: as they are stored. */
  readonly quantizer?: WritingQuantizer
  /** For adapters and models that are not built in. */
  readonly plugins?: readonly Plugin[]
}

/**
 * `ref` is a hub name, a folder or a .gguf file.
 *
 * @example
 * ```ts
 * import { openGenerator } from 'tritune/plugins/generate'
 *
 * using generator = await openGenerator('my-model', { adapter: 'my-adapter' })
 * for (const text of generator.stream({ prompt: 'Call me' }, { maxNewTokens: 8 })) process.stdout.write(text)
 * ```
 */
export async function openGenerator(
  ref: string,
  {
    adapter,
    chatTemplate,
    dtype,
    offline,
    onNote,
    device = 'auto',
    quantizer,
    plugins = [],
  }: OpenGeneratorOptions = {},
): Promise<Generator> {
  const { device: on, note = null } = typeof device === 'string' ? openDevice(device) : { device }
  if (note !== null) onNote?.(note)
  const path = await resolveModel(ref, { offline, onNote })
  const tokenizer = openTokenizerFor(path, adapter, chatTemplate)
  using open = new Disposables()
  const host: Host = open.use(createHost({ plugins: [cpu, cuda, wasm, models, peft, ...plugins] }))
  const definitions = host.all('adapter')
  const vocabSize = adapter === undefined ? 0 : adapterVocabulary(adapter, definitions)
  const model = open.use(
    loadModel(path, { device: on, dtype, models: host.all('model'), vocabSize, ...packedWeights(quantizer) }),
  )
  if (adapter !== undefined) open.use(loadAdapter(model, adapter, { definitions, onNote }))
  const owned = open.move()
  return {
    model,
    tokenizer,
    stream: (input, options) => streamText(model, tokenizer, input, options),
    [Symbol.dispose]: () => owned.dispose(),
  }
}
