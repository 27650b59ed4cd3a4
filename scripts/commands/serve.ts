/**
 * Serves a model and its adapters over HTTP. Thin: reads arguments, calls plugins/serve, prints.
 */
import { TrituneError } from '../../core/errors.ts'
import { invocation } from '../../core/invocation.ts'
import { basename, resolve } from 'node:path'
import type { ServedModel, TextServer } from '../../plugins/serve/mod.ts'
import {
  type Command,
  deviceOption,
  dtypeOption,
  INTEGER_FROM_0,
  INTEGER_FROM_1,
  PORT,
  numberOption,
} from '../_cli.ts'
import { ensureInstalled } from '../_setup.ts'
import { stopSignal } from '../serve/stop-signal.ts'
import { err, out } from '../terminal/streams.ts'

const help = (): string => `Serve a model: for clients of OpenAI and Anthropic, and with a page to chat on.

  ${invocation('serve')} <model> [options]

  <model>                   a hub name, a folder or a .gguf file
  --adapter <name=folder>   a PEFT adapter, which clients ask for by its name; may be repeated
  --chat-template <name>    another chat template than the model's: chatml, llama3, …, as chat_template of a run, or a Jinja file
  --name <name>             what clients call the model itself; default: its hub name, or the name of its folder
  --plugin <module>         for an adapter or a model that a plugin provides; may be repeated
  --host <address>          default 127.0.0.1, which only this machine reaches
  --port <n>                default 8080; 0 takes one that is free
  --api-key <key>           what clients have to send; default: TRITUNE_API_KEY, else none, or a new one where others reach the server
  --allow-host <name>       a name under which the server is reached, beside localhost and addresses; may be repeated
  --parallel <n>            texts that are made at once, default 16
  --waiting <n>             texts that wait beyond that, default 64; more are refused with status 429
  --context <n>             tokens of a text, its prompt included; default: as many as the model knows
  --prompt-cache <MiB>      kept of texts that have ended, for prompts that begin alike; default 256
  --dtype <f32|bf16>        default: as the model is stored
  --quantizer <int8|nf4>    pack the weights while they are loaded: less memory, more tokens a second
  --device <name>           auto (default: a GPU if one can be used), cpu, wasm, cuda, cuda:<number>
  --offline                 use the local cache of the hub only
  --help                    this text

Paths: /v1/models, /v1/chat/completions, /v1/completions, /v1/messages, /v1/messages/count_tokens, /health, and / for the page. Ctrl-C ends it.
`

const OPTIONS = {
  adapter: { type: 'string', multiple: true },
  'chat-template': { type: 'string' },
  name: { type: 'string' },
  plugin: { type: 'string', multiple: true },
  host: { type: 'string' },
  port: { type: 'string' },
  'api-key': { type: 'string' },
  'allow-host': { type: 'string', multiple: true },
  parallel: { type: 'string' },
  waiting: { type: 'string' },
  context: { type: 'string' },
  'prompt-cache': { type: 'string' },
  dtype: { type: 'string' },
  quantizer: { type: 'string' },
  device: { type: 'string' },
  offline: { type: 'boolean' },
} as const

export const serve: Command<typeof OPTIONS> = {
  help,
  positionals: { min: 1, max: 1, missing: 'name a model: a hub name, a folder or a .gguf file' },
  options: OPTIONS,
  async run({ positionals: [model], values }) {
    const { host = '127.0.0.1', context } = values
    const numbers = {
      port: numberOption('port', values.port, 8080, PORT),
      parallel: numberOption('parallel', values.parallel, 16, INTEGER_FROM_1),
      waiting: numberOption('waiting', values.waiting, 64, INTEGER_FROM_0),
      promptCache: numberOption('prompt-cache', values['prompt-cache'], 256, INTEGER_FROM_0) * 2 ** 20,
      ...(context === undefined ? {} : { tokens: numberOption('context', context, 0, INTEGER_FROM_1) }),
    }
    const adapters = adaptersOf(values.adapter ?? [])
    const dtype = dtypeOption(values.dtype)
    const quantizer = quantizerOf(values.quantizer)
    const device = deviceOption(values.device, 'auto')
    const given = keyOf(values['api-key'] ?? process.env['TRITUNE_API_KEY'])
    await ensureInstalled()
    const { openServedModel, serveModel } = await import('../../plugins/serve/mod.ts')
    const { isLoopback, newToken } = await import('../../plugins/http/mod.ts')
    const { loadPlugins } = await import('../../plugins/finetune/mod.ts')
    using served = await openServedModel(model, {
      name: values.name,
      adapters,
      chatTemplate: values['chat-template'],
      dtype,
      quantizer,
      device,
      offline: values.offline,
      onNote: (text) => err.write(`${text}\n`),
      plugins: (await loadPlugins(values.plugin ?? [])).map(({ plugin }) => plugin),
    })
    const token = given ?? (isLoopback(host) ? null : newToken())
    const allowedHosts = values['allow-host'] ?? []
    await using server = await serveModel(served, { ...numbers, host, token, allowedHosts })
    tell(server, served, given === null ? token : null)
    await stopSignal()
  },
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** `name=folder`, or a folder whose name it is. */
function adaptersOf(given: readonly string[]): ReadonlyMap<string, string> {
  const adapters = new Map<string, string>()
  for (const one of given) {
    const [, name = basename(resolve(one)), folder = one] = /^([^=/\\]+)=(.+)$/.exec(one) ?? []
    if (adapters.has(name))
      throw new TrituneError('E_USAGE', `--adapter: two are called "${name}"`, {
        remedy: 'give each a name: --adapter name=folder',
      })
    adapters.set(name, folder)
  }
  return adapters
}

function quantizerOf(name: string | undefined): 'int8' | 'nf4' | undefined {
  if (name === undefined || name === 'int8' || name === 'nf4') return name
  throw new TrituneError('E_USAGE', `--quantizer: expected int8 or nf4, got "${name}"`)
}

function keyOf(key: string | undefined): string | null {
  if (key === undefined) return null
  if (/^[\x21-\x7e]+$/.test(key)) return key
  throw new TrituneError('E_USAGE', '--api-key: expected letters, digits and signs without blanks')
}

/** `key` is one that nobody knows yet. */
function tell({ url }: TextServer, { voices }: ServedModel, key: string | null): void {
  const lines = [
    `serving  ${[...voices.keys()].join(', ')}`,
    `chat     ${url}/${key === null ? '' : `#token=${key}`}`,
    `OpenAI   base URL ${url}/v1`,
    `Claude   base URL ${url}`,
    ...(key === null ? [] : [`API key  ${key}`]),
  ]
  out.write(`${lines.join('\n')}\n`)
}
