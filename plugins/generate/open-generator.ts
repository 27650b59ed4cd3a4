/**
 * A model with its tokenizer and adapter, ready to write: the few lines that every script would repeat.
 */
import { Disposables } from '../../core/disposables.ts'
import {
  type ChatMessage,
  createHost,
  type Device,
  type FloatDType,
  type Host,
  type Model,
  type Plugin,
  TrituneError,
} from '../../core/mod.ts'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { cpu } from '../cpu/mod.ts'
import { cuda, type DeviceName, openDevice } from '../cuda/mod.ts'
import { resolveModel } from '../hub/mod.ts'
import { loadModel, models } from '../models/mod.ts'
import { loadAdapter, peft } from '../peft/mod.ts'
import { loadTokenizer, readTokenizerFiles, type Tokenizer, type TokenizerFiles } from '../tokenizer/mod.ts'
import { generate, type GenerateOptions } from './generate.ts'

/** A model that writes: with its tokenizer, and an adapter where one was given. Disposing it frees the model. */
export interface Generator extends Disposable {
  readonly model: Model
  readonly tokenizer: Tokenizer
  /** Text as it is made; never half a character. Ends at an end-of-text token or a stop text, which is not given. */
  stream(input: GeneratorInput, options?: StreamOptions): Iterable<string>
}

/** What to go on from: a text as it is, or messages through the chat template. */
export type GeneratorInput = { readonly prompt: string } | { readonly messages: readonly ChatMessage[] }

/** How `stream()` chooses tokens, and when it ends. */
export interface StreamOptions extends Omit<GenerateOptions, 'stopIds'> {
  /** Texts that end the generation. */
  readonly stop?: readonly string[]
}

/** Options of `openGenerator()`: an adapter, the device and dtype, plugins that provide what is not built in. */
export interface OpenGeneratorOptions {
  /** Folder of a PEFT adapter. */
  readonly adapter?: string
  readonly dtype?: FloatDType
  /** Default: HF_HUB_OFFLINE. */
  readonly offline?: boolean
  /** Told what takes time while the model is found: who is waited for, what is checked. */
  readonly onNote?: (text: string) => void
  /** Default: `auto`. */
  readonly device?: Device | DeviceName
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
  { adapter, dtype, offline, onNote, device = 'auto', plugins = [] }: OpenGeneratorOptions = {},
): Promise<Generator> {
  const on = typeof device === 'string' ? openDevice(device).device : device
  const path = await resolveModel(ref, { offline, onNote })
  const tokenizer = loadTokenizer(tokenizerFiles(path, adapter))
  using open = new Disposables()
  const host: Host = open.use(createHost({ plugins: [cpu, cuda, models, peft, ...plugins] }))
  const model = open.use(loadModel(path, { device: on, dtype, models: host.all('model') }))
  if (adapter !== undefined) open.use(loadAdapter(model, adapter, { definitions: host.all('adapter') }))
  const owned = open.move()
  return {
    model,
    tokenizer,
    stream: (input, options) => streamText(model, tokenizer, input, options),
    [Symbol.dispose]: () => owned.dispose(),
  }
}

/** The folder of an adapter can hold the tokenizer and the chat template that it was trained with. */
function tokenizerFiles(modelPath: string, adapter: string | undefined): TokenizerFiles {
  const own = readTokenizerFiles(modelPath)
  if (adapter === undefined || !existsSync(join(adapter, 'tokenizer.json'))) return own
  return { ...readTokenizerFiles(adapter), stopIds: own.stopIds }
}

/**
 * Text of a model that is already open, as it is made: never half a character, without the stop text.
 *
 * @example
 * ```ts
 * import { streamText } from 'tritune/plugins/generate'
 * import { loadModel } from 'tritune/plugins/models'
 * import { loadTokenizer } from 'tritune/plugins/tokenizer'
 *
 * using model = loadModel('my-model')
 * const tokenizer = loadTokenizer('my-model')
 * const pieces = [...streamText(model, tokenizer, { prompt: 'Call me' }, { maxNewTokens: 8, stop: ['\n'] })]
 * console.log(pieces.join('').includes('\n')) // → false
 * ```
 */
export function* streamText(
  model: Model,
  tokenizer: Tokenizer,
  input: GeneratorInput,
  { stop = [], ...options }: StreamOptions = {},
): Iterable<string> {
  const ids =
    'prompt' in input
      ? tokenizer.encode(input.prompt)
      : tokenizer.encode(tokenizer.renderChat(input.messages, { addGenerationPrompt: true }), {
          addSpecialTokens: false,
        })
  if (ids.length === 0)
    throw new TrituneError('E_DATA', 'the prompt has no tokens', { remedy: 'give some text' })
  const decoder = tokenizer.createDecodeStream({ skipSpecialTokens: true })
  const hold = Math.max(0, ...stop.map((text) => text.length)) - 1
  let pending = ''
  for (const id of generate(model, ids, { ...options, stopIds: tokenizer.eosIds })) {
    pending += decoder.push(id)
    const cut = firstOf(pending, stop)
    if (cut >= 0) {
      yield pending.slice(0, cut)
      return
    }
    // The end of the text could be the beginning of a stop text.
    const safe = wholeCharacters(pending, pending.length - Math.max(0, hold))
    if (safe > 0) {
      yield pending.slice(0, safe)
      pending = pending.slice(safe)
    }
  }
  pending += decoder.end()
  const cut = firstOf(pending, stop)
  yield cut >= 0 ? pending.slice(0, cut) : pending
}

/** `length`, or one less where that would cut a UTF-16 pair. */
function wholeCharacters(text: string, length: number): number {
  const last = length > 0 ? text.charCodeAt(length - 1) : 0
  return last >= 0xd800 && last <= 0xdbff ? length - 1 : length
}

function firstOf(text: string, stops: readonly string[]): number {
  const found = stops.map((stop) => text.indexOf(stop)).filter((i) => i >= 0)
  return found.length > 0 ? Math.min(...found) : -1
}
