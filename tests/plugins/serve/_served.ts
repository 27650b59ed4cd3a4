/**
 * A tiny random model with two adapters, served on a free port: what the tests of the protocols ask.
 */
import { join } from 'node:path'
import { Disposables } from '../../../core/disposables.ts'
import { createRandom, type Model } from '../../../core/mod.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { generate } from '../../../plugins/generate/mod.ts'
import { loadModel } from '../../../plugins/models/mod.ts'
import { type AttachedAdapter, attachAdapter, lora, saveAdapter } from '../../../plugins/peft/mod.ts'
import {
  openServedModel,
  type ServedModel,
  type ServeOptions,
  serveModel,
  type TextServer,
} from '../../../plugins/serve/mod.ts'
import { temporaryFolder } from '../../../testing/mod.ts'
import { writeTinyModel } from '../../_tiny.ts'

export const cpu: ReturnType<typeof openCpu> = openCpu()

/** The names that are served. */
export const NAMES: readonly string[] = ['tiny', 'german', 'pirate']

export interface ServedTiny extends AsyncDisposable {
  readonly server: TextServer
  readonly served: ServedModel
  /** Where the model is. */
  readonly folder: string
  /** What went wrong inside of the server. */
  readonly bugs: readonly unknown[]
  /** A body as JSON, to a path of the server. */
  post(path: string, body: unknown, headers?: Readonly<Record<string, string>>): Promise<Response>
}

/** `config` changes the model's; `template` is its chat template instead of the usual one. */
export async function serveTiny(
  options: ServeOptions = {},
  { config = {}, template }: { readonly config?: Record<string, unknown>; readonly template?: string } = {},
): Promise<ServedTiny> {
  using open = new Disposables()
  const space = open.use(temporaryFolder())
  const folder = join(space.path, 'tiny')
  writeTinyModel(folder, { max_position_embeddings: 512, ...config })
  if (template !== undefined) await Bun.write(join(folder, 'chat_template.jinja'), template)
  const adapters = new Map(
    NAMES.slice(1).map((name, i) => [name, writeAdapter(folder, join(space.path, name), i + 1)]),
  )
  const served = open.use(await openServedModel(folder, { adapters, device: cpu }))
  const bugs: unknown[] = []
  const server = await serveModel(served, { onBug: (error) => bugs.push(error), ...options })
  const owned = open.move()
  return {
    server,
    served,
    folder,
    bugs,
    post: (path, body, headers = {}) =>
      fetch(server.url + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      }),
    async [Symbol.asyncDispose]() {
      await server.close()
      owned.dispose()
    },
  }
}

/** A LoRA that changes what the model writes; returns its folder. */
export function writeAdapter(model: string, folder: string, seed: number): string {
  using base: Model = loadModel(model, { device: cpu })
  using adapter: AttachedAdapter = attachAdapter(base, lora, lora.options.validate({ rank: 2, alpha: 4 }), {
    targetModules: 'all-linear',
  })
  for (const [name, parameter] of adapter.parameters) {
    const random = createRandom(seed, name)
    parameter.set(Float32Array.from({ length: parameter.size }, () => 0.3 * random.normal()))
  }
  saveAdapter(folder, adapter, { baseModel: model })
  return folder
}

/** What the model makes of a message by itself, without a server. */
export function alone({ served }: ServedTiny, name: string, content: string, maxNewTokens: number): string {
  const { tokenizer, adapters } = served.voice(name)
  const text = tokenizer.renderChat([{ role: 'user', content }], { addGenerationPrompt: true })
  const ids = tokenizer.encode(text, { addSpecialTokens: false })
  const active = name === 'tiny' ? [] : [String(adapters)]
  const made = generate(served.model, ids, { adapters: active, maxNewTokens, stopIds: tokenizer.eosIds })
  return tokenizer.decode([...made], { skipSpecialTokens: true })
}
