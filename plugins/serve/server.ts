/**
 * A server of one model and its adapters. It knows HTTP by plugins/http, the protocols by openai/ and anthropic/.
 */
import { TrituneError } from '../../core/mod.ts'
import { type BatchEngine, openBatchEngine } from '../generate/mod.ts'
import { type HttpServer, openHttpServer } from '../http/mod.ts'
import type { ServedModel, ServedVoice } from './model/served-model.ts'
import type { Serving } from './model/serving.ts'
import { routesOf } from './routes.ts'
import { createAdmission } from './text/admission.ts'
import { createConstraintSource } from './text/constraints.ts'
import { createTextQueue } from './text/text-queue.ts'
import { createTokenTexts, type TokenText } from './text/token-texts.ts'
import { bodyOfError } from './wire/error-body.ts'

/** How a model is served. */
export interface ServeOptions {
  /** Address to listen on; default 127.0.0.1. Another one needs a token. */
  readonly host?: string
  /** Default 0: one that is free. */
  readonly port?: number
  /** What clients send as their API key; null: none is asked for. Default: null. */
  readonly token?: string | null
  /** Names under which the server is reached, beside localhost and addresses. */
  readonly allowedHosts?: readonly string[]
  /** Texts that are made at once; default 16. */
  readonly parallel?: number
  /** Texts that wait beyond that; the next one is refused with 429. Default 64. */
  readonly waiting?: number
  /** Tokens of a text, its prompt included; default: the context of the model. */
  readonly tokens?: number
  /** Bytes of keys and values kept of texts that have ended, for prompts that begin alike; default 256 MiB. */
  readonly promptCache?: number
  /** How long a client may read nothing; default 30. */
  readonly stallSeconds?: number
  /** Gets what is no error of tritune, but a bug. Default: console.error. */
  readonly onBug?: (error: unknown) => void
}

/** How busy a server is. */
export interface ServerLoad {
  /** Texts that are being made. */
  readonly open: number
  /** Texts that wait for a row. */
  readonly waiting: number
  /** Both, and texts that their client has not taken yet. */
  readonly inside: number
}

/** A server that runs. Disposing it ends it at once; the model stays open. */
export interface TextServer extends AsyncDisposable {
  /** `http://127.0.0.1:8080` */
  readonly url: string
  readonly port: number
  load(): ServerLoad
  close(): Promise<void>
}

/**
 * Starts to serve. While it runs, the weights of the model must not change.
 *
 * @throws E_CONFIG for a number out of range, E_USAGE and E_BUSY as `openHttpServer()` does
 *
 * @example
 * ```ts
 * import { openServedModel, serveModel } from 'tritune/plugins/serve'
 *
 * using served = await openServedModel('my-model')
 * await using server = await serveModel(served)
 * const answer = await fetch(`${server.url}/v1/completions`, {
 *   method: 'POST',
 *   headers: { 'content-type': 'application/json' },
 *   body: JSON.stringify({ model: 'my-model', prompt: 'Call me', max_tokens: 4, temperature: 0 }),
 * })
 * console.log(await answer.json()) // { id: 'cmpl-…', choices: [ { text: …
 * ```
 */
export async function serveModel(served: ServedModel, options: ServeOptions = {}): Promise<TextServer> {
  const { contextLength } = served.model.info
  const { parallel = 16, waiting = 64, tokens = contextLength, promptCache = PROMPT_CACHE } = options
  const { onBug = tellBug } = options
  expectIntegers({ parallel, waiting: waiting + 1, tokens })
  if (tokens > contextLength)
    throw new TrituneError('E_CONFIG', `texts of ${tokens} tokens: the model knows ${contextLength}`)
  const engine = openBatchEngine(served.model, { rows: parallel, tokens, promptCache })
  const queue = createTextQueue(engine)
  const admission = createAdmission({ places: parallel + waiting, rows: parallel })
  const constraints = createConstraintSource()
  const serving: Serving = { served, queue, admission, tokens, constraints, tokenText: tokenTexts(), onBug }
  try {
    const http = await openHttpServer({
      ...options,
      token: options.token ?? null,
      routes: routesOf(serving),
      errorBody: bodyOfError,
      onBug,
    })
    return running(http, engine, serving)
  } catch (error) {
    queue[Symbol.dispose]()
    engine[Symbol.dispose]()
    throw error
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const PROMPT_CACHE = 256 << 20

function running(http: HttpServer, engine: BatchEngine, { queue, admission }: Serving): TextServer {
  let closed: Promise<void> | null = null
  const close = async (): Promise<void> => {
    queue[Symbol.dispose]()
    await http.close()
    engine[Symbol.dispose]()
  }
  const closeOnce = (): Promise<void> => (closed ??= close())
  return {
    url: http.url,
    port: http.port,
    load: () => ({ open: queue.open, waiting: queue.waiting, inside: admission.inside }),
    close: closeOnce,
    [Symbol.asyncDispose]: closeOnce,
  }
}

function tokenTexts(): (voice: ServedVoice, id: number) => TokenText {
  const known = new Map<ServedVoice, (id: number) => TokenText>()
  return (voice, id) => {
    const textOf = known.get(voice) ?? createTokenTexts(voice.tokenizer)
    known.set(voice, textOf)
    return textOf(id)
  }
}

function tellBug(error: unknown): void {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
}

function expectIntegers(numbers: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(numbers))
    if (!Number.isSafeInteger(value) || value < 1)
      throw new TrituneError('E_CONFIG', `${name}: expected an integer from 1, got ${value}`)
}
