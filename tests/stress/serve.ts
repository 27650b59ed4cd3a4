/**
 * A server under clients that come, ask, are cut off in every way, and come again: answers stay right, and nothing is left behind.
 */
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { createRandom, type Random } from '../../core/tensor/random.ts'
import { countLiveTensors } from '../../core/tensor/tensor.ts'
import { alone, NAMES, type ServedTiny, serveTiny } from '../plugins/serve/_served.ts'

export interface ServeSoakOptions {
  readonly seconds: number
  readonly seed?: number
  readonly clients?: number
  onSample?(sample: SoakSample): void
}

/** What the process has at a moment. */
export interface SoakSample {
  readonly seconds: number
  readonly requests: number
  readonly rss: number
  /** Of JavaScript, after its garbage was collected. */
  readonly heap: number
}

export interface ServeSoak {
  /** How often each kind of client came. */
  readonly counts: Readonly<Record<string, number>>
  readonly samples: readonly SoakSample[]
  readonly problems: readonly string[]
}

/** Bytes that the process may have grown from the second quarter of the time to the last. */
const GROWTH = 24 << 20

export async function serveSoak({
  seconds,
  seed = 1,
  clients = 12,
  onSample = () => {},
}: ServeSoakOptions): Promise<ServeSoak> {
  const tensors = countLiveTensors()
  const soak: Soak = { counts: {}, problems: [], samples: [] }
  {
    await using tiny = await serveTiny({ parallel: 6, waiting: 10, stallSeconds: 1, promptCache: 4 << 20 })
    const wanted = new Map<string, string>()
    for (const name of NAMES)
      for (const words of WORDS) wanted.set(`${name} ${words}`, alone(tiny, name, words, TOKENS))
    const end = performance.now() + seconds * 1000
    const loops = Array.from({ length: clients }, (_, i) => {
      const client: Client = { tiny, soak, wanted, random: createRandom(seed, `client ${i}`) }
      return cameAgain(client, end)
    })
    await Promise.all([...loops, sampled(soak, seconds, onSample)])
    await judgeEnd(tiny, soak)
  }
  const left = countLiveTensors() - tensors
  if (left !== 0) soak.problems.push(`${left} tensors are left`)
  return { ...soak, problems: [...soak.problems, ...judgeGrowth(soak.samples)] }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

interface Soak {
  readonly counts: Record<string, number>
  readonly problems: string[]
  readonly samples: SoakSample[]
}

interface Client {
  readonly tiny: ServedTiny
  readonly soak: Soak
  /** Name and words → what the model makes of them alone. */
  readonly wanted: ReadonlyMap<string, string>
  readonly random: Random
}

const TOKENS = 24
const WORDS = ['Hello', 'Who are you?', 'One two three', 'Call me Ishmael. Some years ago', '1 2 3', 'x']
const CHAT = '/v1/chat/completions'

type Visit = (client: Client) => Promise<void>

const VISITS: Readonly<Record<string, Visit>> = {
  whole: async (client) => {
    const { model, content, request } = greedy(client)
    const answer = await post(client, CHAT, request)
    if (answer.status === 429) return void (await answer.text())
    const { choices } = await answer.json()
    expectText(client, model, content, choices[0].message.content)
  },
  stream: async (client) => {
    const { model, content, request } = greedy(client)
    const answer = await post(client, CHAT, { ...request, stream: true })
    if (answer.status === 429) return void (await answer.text())
    const pieces = eventsOf(await answer.text()).map(({ choices }) => choices?.[0]?.delta?.content ?? '')
    expectText(client, model, content, pieces.join(''))
  },
  messages: async (client) => {
    const { model, content, request } = greedy(client)
    const answer = await post(client, '/v1/messages', { ...request, stream: true })
    if (answer.status === 429) return void (await answer.text())
    const pieces = eventsOf(await answer.text()).map(({ delta }) => delta?.text ?? '')
    expectText(client, model, content, pieces.join(''))
  },
  schema: async (client) => {
    const { soak, random } = client
    const schema = { enum: ['red', 'green', 'blue'] }
    const answer = await post(client, CHAT, {
      model: NAMES[random.int(NAMES.length)],
      messages: [{ role: 'user', content: 'A colour' }],
      response_format: { type: 'json_schema', json_schema: { name: 'colour', schema } },
    })
    const body = await answer.json()
    if (answer.status === 429) return
    if (!schema.enum.includes(JSON.parse(body.choices[0].message.content)))
      soak.problems.push(`no colour: ${JSON.stringify(body)}`)
  },
  wrong: async (client) => {
    const { soak, random } = client
    const bodies = ['{', '[]', { model: 'no', messages: [] }, { model: 'tiny', messages: [{ role: 'x' }] }]
    const body = bodies[random.int(bodies.length)]
    const { status } = await post(client, CHAT, body)
    if (status < 400 || status >= 500) soak.problems.push(`${JSON.stringify(body)} has status ${status}`)
  },
  cut: async (client) => {
    const socket = ask(client, { ...greedy(client).request, max_tokens: 200, stream: true })
    await sleep(client.random.float() * 60)
    socket.destroy()
  },
  'half a request': async (client) => {
    const socket = ask(client, greedy(client).request, client.random.int(200))
    await sleep(client.random.float() * 30)
    socket.destroy()
  },
  'half closed': async (client) => {
    const socket = ask(client, { ...greedy(client).request, stream: true })
    socket.end()
    await Promise.race([closed(socket), sleep(500)])
    socket.destroy()
  },
  'never reads': async (client) => {
    const request = { ...greedy(client).request, max_tokens: 400, n: 6, stream: true }
    const socket = ask(client, { ...request, logprobs: true, top_logprobs: 20 })
    socket.pause()
    await sleep(1500 + client.random.float() * 500)
    socket.destroy()
  },
}

/** Of all requests: so many may find the connection that the client kept closed under its hand, and are sent again. */
const AGAIN = 0.01

/** A connection that was idle may end while the client takes it for the next request: whoever keeps some asks again, once. */
async function post({ tiny, soak }: Client, path: string, body: unknown): Promise<Response> {
  try {
    return await tiny.post(path, body)
  } catch (error) {
    if (!/ECONNRESET|closed/.test(String(error))) throw error
    soak.counts['sent again'] = (soak.counts['sent again'] ?? 0) + 1
    return await tiny.post(path, body)
  }
}

/** How often, out of a hundred. */
const SHARES: Readonly<Record<string, number>> = {
  whole: 20,
  stream: 20,
  messages: 10,
  schema: 5,
  wrong: 8,
  cut: 25,
  'half a request': 8,
  'half closed': 3,
  'never reads': 1,
}

async function cameAgain(client: Client, end: number): Promise<void> {
  const bag = Object.entries(SHARES).flatMap(([kind, share]) => Array.from({ length: share }, () => kind))
  while (performance.now() < end && client.soak.problems.length < 10) {
    const kind = bag[client.random.int(bag.length)]
    client.soak.counts[kind] = (client.soak.counts[kind] ?? 0) + 1
    try {
      await VISITS[kind](client)
    } catch (error) {
      client.soak.problems.push(`${kind}: ${String(error)}`)
    }
  }
}

async function sampled(
  { counts, samples }: Soak,
  seconds: number,
  onSample: (sample: SoakSample) => void,
): Promise<void> {
  const began = performance.now()
  const every = Math.min(10, seconds / 20)
  for (let at = every; at <= seconds; at += every) {
    await sleep(began + at * 1000 - performance.now())
    Bun.gc(true)
    const { rss, heapUsed: heap } = process.memoryUsage()
    const requests = Object.values(counts).reduce((a, b) => a + b, 0)
    const sample = { seconds: Math.round(at), requests, rss, heap }
    samples.push(sample)
    onSample(sample)
  }
}

async function judgeEnd({ server, bugs }: ServedTiny, { counts, problems }: Soak): Promise<void> {
  for (let i = 0; server.load().inside > 0 && i < 1000; i++) await sleep(5)
  const { open, waiting, inside } = server.load()
  if (open + waiting + inside > 0)
    problems.push(`${open} open, ${waiting} waiting, ${inside} inside at the end`)
  const { 'sent again': again = 0, ...visits } = counts
  const all = Object.values(visits).reduce((a, b) => a + b, 0)
  if (again > Math.max(2, AGAIN * all)) problems.push(`${again} of ${all} requests were sent again`)
  for (const bug of bugs) problems.push(`a bug: ${String(bug)}`)
}

function judgeGrowth(samples: readonly SoakSample[]): string[] {
  const quarter = Math.floor(samples.length / 4)
  if (quarter === 0) return []
  const least = (part: readonly SoakSample[], of: (sample: SoakSample) => number): number =>
    Math.min(...part.map(of))
  const judge = (name: string, of: (sample: SoakSample) => number): string[] => {
    const growth = least(samples.slice(-quarter), of) - least(samples.slice(quarter, 2 * quarter), of)
    return growth > GROWTH ? [`${name} grew by ${(growth / 2 ** 20).toFixed(1)} MiB`] : []
  }
  return [...judge('the process', ({ rss }) => rss), ...judge('the heap', ({ heap }) => heap)]
}

function greedy({ random }: Client): {
  readonly model: string
  readonly content: string
  readonly request: Readonly<Record<string, unknown>>
} {
  const model = NAMES[random.int(NAMES.length)]
  const content = WORDS[random.int(WORDS.length)]
  const messages = [{ role: 'user', content }]
  return { model, content, request: { model, messages, temperature: 0, max_tokens: TOKENS } }
}

function expectText({ wanted, soak }: Client, model: string, content: string, got: string): void {
  const expected = wanted.get(`${model} ${content}`)
  if (got !== expected) soak.problems.push(`${model}, ${content}: ${JSON.stringify(got)}, not ${expected}`)
}

interface SomeEvent {
  readonly choices?: readonly { readonly delta?: { readonly content?: string } }[]
  readonly delta?: { readonly text?: string }
}

function eventsOf(text: string): SomeEvent[] {
  return [...text.matchAll(/^data: (\{.*)$/gm)].map(([, json]) => JSON.parse(json))
}

/** A request over a socket of its own; only the first `bytes` of it, if that is said. */
function ask({ tiny }: Client, body: unknown, bytes = Infinity): Socket {
  const text = JSON.stringify(body)
  const whole = `POST ${CHAT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`
  const socket = connect(tiny.server.port, '127.0.0.1')
  socket.on('error', () => {})
  socket.write(whole.slice(0, bytes))
  return socket
}

async function closed(socket: Socket): Promise<void> {
  socket.resume()
  await new Promise<void>((resolve) => socket.once('close', () => resolve()))
}
