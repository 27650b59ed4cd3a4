/**
 * Clients that misbehave and requests that are wrong: a full line, cut connections, one that never reads, other sites, prompts that are too long,
 * templates and adapters that do not fit.
 */
import { afterAll, expect, test } from 'bun:test'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { TrituneError } from '../../../core/mod.ts'
import { openServedModel } from '../../../plugins/serve/mod.ts'
import { temporaryFolder } from '../../../testing/mod.ts'
import { writeTinyModel } from '../../_tiny.ts'
import { alone, cpu, type ServedTiny, serveTiny, writeAdapter } from './_served.ts'

const MESSAGES = [{ role: 'user', content: 'Hello' }]
const LONG = { model: 'tiny', messages: MESSAGES, temperature: 0, max_tokens: 400, stream: true }

async function until(what: string, isSo: () => boolean): Promise<void> {
  const began = performance.now()
  while (!isSo()) {
    if (performance.now() - began > 20_000) throw new Error(`it did not come to that: ${what}`)
    await Bun.sleep(5)
  }
}

/** Asks over a socket of its own, which does what the test wants. */
function ask({ server }: ServedTiny, body: unknown): Socket {
  const text = JSON.stringify(body)
  const socket = connect(server.port, '127.0.0.1')
  socket.on('error', () => {})
  socket.write(
    `POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n` +
      `Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
  )
  return socket
}

/** All that comes until the connection ends. */
async function textOf(socket: Socket): Promise<string> {
  const chunks: Buffer[] = []
  socket.on('data', (chunk) => chunks.push(Buffer.from(chunk)))
  const ended = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  socket.resume()
  await ended
  return Buffer.concat(chunks).toString()
}

test('more texts than there are places are refused with 429, and when to ask again', async () => {
  await using tiny = await serveTiny({ parallel: 2, waiting: 1 })
  const running = [0, 1, 2].map(() => tiny.post('/v1/chat/completions', LONG))
  await until('three texts inside', () => tiny.server.load().inside === 3)
  const refused = await tiny.post('/v1/chat/completions', LONG)
  expect(refused.status).toBe(429)
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(1)
  expect((await refused.json()).error).toMatchObject({ type: 'rate_limit_error', code: 'E_BUSY' })
  // More than there are places at all: to ask again would not help.
  expect((await tiny.post('/v1/chat/completions', { ...LONG, n: 4 })).status).toBe(400)
  for (const answer of await Promise.all(running)) expect(await answer.text()).toContain('[DONE]')
  await until('all places free', () => tiny.server.load().inside === 0)
  expect((await tiny.post('/v1/chat/completions', { ...LONG, max_tokens: 2 })).status).toBe(200)
  expect(tiny.bugs).toEqual([])
})

test('a connection that is cut ends its texts, in the line and in the batch; others go on', async () => {
  await using tiny = await serveTiny({ parallel: 2, waiting: 8 })
  const sockets = Array.from({ length: 4 }, () => ask(tiny, LONG))
  await until('two texts are made, two wait', () => {
    const { open, waiting } = tiny.server.load()
    return open === 2 && waiting === 2
  })
  for (const socket of sockets) socket.destroy()
  await until('nobody is inside', () => tiny.server.load().inside === 0)
  expect(tiny.server.load()).toEqual({ open: 0, waiting: 0, inside: 0 })
  const left = await tiny.post('/v1/chat/completions', { ...LONG, max_tokens: 12, stream: false })
  expect((await left.json()).choices[0].message.content).toBe(alone(tiny, 'tiny', 'Hello', 12))
  expect(tiny.bugs).toEqual([])
})

test('a client that never reads holds its place for a while and nobody else up', async () => {
  await using tiny = await serveTiny({ parallel: 2, waiting: 60, stallSeconds: 0.5 })
  const socket = ask(tiny, { ...LONG, n: 40, max_tokens: 200, logprobs: true, top_logprobs: 20 })
  socket.pause()
  await until('the text is under way', () => tiny.server.load().open > 0)
  const other = await tiny.post('/v1/chat/completions', { ...LONG, max_tokens: 5, stream: false })
  expect(other.status).toBe(200)
  await until('it is given up', () => tiny.server.load().inside === 0)
  const late = await textOf(socket)
  expect(late).toContain('chat.completion.chunk')
  expect(late).not.toContain('[DONE]')
  expect(tiny.bugs).toEqual([])
})

test('nor does one that never reads an answer in one piece', async () => {
  await using tiny = await serveTiny({ parallel: 40, waiting: 0, stallSeconds: 0.5 })
  const request = { ...LONG, n: 40, max_tokens: 200, logprobs: true, top_logprobs: 20 }
  const socket = ask(tiny, { ...request, stream: false })
  socket.pause()
  await until('the text is under way', () => tiny.server.load().open > 0)
  await until('it is given up', () => tiny.server.load().inside === 0)
  const late = await textOf(socket)
  const [, length] = /^content-length: (\d+)/im.exec(late) ?? []
  expect(Number(length)).toBeGreaterThan(4 << 20)
  expect(late.length).toBeLessThan(Number(length))
  const whole = await tiny.post('/v1/chat/completions', { ...request, stream: false })
  expect((await whole.json()).choices).toHaveLength(40)
  expect(tiny.bugs).toEqual([])
})

test('pages of other sites, names that lead here, and clients without the key are refused', async () => {
  await using tiny = await serveTiny({ token: 'secret' })
  const status = async (headers: Readonly<Record<string, string>>): Promise<number> =>
    (await tiny.post('/v1/chat/completions', { ...LONG, max_tokens: 1 }, headers)).status
  const key = { authorization: 'Bearer secret' }
  expect(await status(key)).toBe(200)
  expect(await status({ 'x-api-key': 'secret' })).toBe(200)
  expect(await status({})).toBe(401)
  expect(await status({ authorization: 'Bearer guess' })).toBe(401)
  expect(await status({ ...key, origin: 'https://evil.example' })).toBe(403)
  expect(await status({ ...key, origin: 'null' })).toBe(403)
  expect(await status({ ...key, host: 'evil.example' })).toBe(421)
  expect(await status({ ...key, 'content-type': 'text/plain' })).toBe(415)
})

test('what cannot be answered is refused before anything is made, with its place', async () => {
  await using tiny = await serveTiny({ tokens: 64 })
  const refused = async (changes: object | string, path = '/v1/chat/completions'): Promise<string> => {
    const body = typeof changes === 'string' ? changes : { ...LONG, max_tokens: 4, ...changes }
    const answer = await tiny.post(path, body)
    const { error } = await answer.json()
    return `${answer.status} ${error.code}: ${error.message}`
  }
  expect(await refused({ messages: [{ role: 'user', content: 'word '.repeat(200) }] })).toMatch(
    /^400 context_length_exceeded: the prompt has \d+ tokens, prompt and answer together can have 64 \(shorten the messages\)/,
  )
  expect(await refused({ messages: [{ role: 'user', content: 'x'.repeat(4_000_000) }] })).toMatch(
    /^400 context_length_exceeded: the prompt has 4\d+ characters/,
  )
  // A text has no messages; one of ids neither.
  const others = { model: 'tiny', max_tokens: 4 }
  for (const prompt of ['7 '.repeat(200), 'x'.repeat(4_000_000), Array.from({ length: 200 }, () => 1)]) {
    const answer = await tiny.post('/v1/completions', { ...others, prompt })
    const { error } = await answer.json()
    expect([answer.status, error.message]).toEqual([400, expect.stringContaining('(shorten the prompt)')])
  }
  const nested = (deep: number): string => `${'['.repeat(deep)}${']'.repeat(deep)}`
  for (const deep of [200, 100_000])
    expect(await refused(`{"model": "tiny", "messages": ${nested(deep)}}`, '/v1/messages')).toMatch(
      /^400 E_REQUEST/,
    )
  expect(await refused({ model: 'germann' })).toMatch(/^404 model_not_found: .*did you mean "german"/)
  expect(await refused({ messages: [] })).toMatch(/^400 E_CONFIG: messages: /)
  expect(await refused({ messages: [{ role: 'wizard', content: 'a' }] })).toContain('messages[0].role')
  expect(await refused({ temperature: 3 })).toMatch(/^400 E_CONFIG: temperature: /)
  expect(await refused({ tempreature: 1 })).toMatch(/^400 E_CONFIG_KEY: tempreature: .*"temperature"/)
  expect(await refused({ logit_bias: { 5: 1 } })).toContain('logit_bias is not there')
  expect(await refused({ reasoning_effort: 'high' })).toContain('reasoning_effort is not there')
  expect(await refused({ top_logprobs: 2 })).toContain('needs logprobs')
  expect(await refused({ tools: [{ type: 'function', function: { name: 'look' } }] })).toContain(
    'shows no way to call tools',
  )
  expect(
    await refused({
      messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'a' } }] }],
    }),
  ).toContain('messages[0].content[0]: the model reads text')
  // The template takes no results of tools.
  expect(await refused({ messages: [{ role: 'tool', content: 'a' }] })).toMatch(
    /^400 E_TOKENIZER: .*unknown role: tool/,
  )
  expect(await refused('{"model"')).toMatch(/^400 .*the body is no JSON/)
  expect(await refused('[]')).toMatch(/^400 E_CONFIG/)
  expect(await refused({ model: 'tiny', prompt: [5, 100_000] }, '/v1/completions')).toMatch(/^400 E_CONFIG.*/)
  expect(await refused({}, '/v1/nothing')).toMatch(/^404 /)
  expect((await fetch(`${tiny.server.url}/v1/messages`)).status).toBe(405)
  expect(tiny.server.load().inside).toBe(0)
  expect(tiny.bugs).toEqual([])
})

test('a hostile chat template is an error of its requests; other requests are answered', async () => {
  const hostile = {
    endless: '{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}',
    huge: "{% set ns = namespace(x='aaaaaaaaaa') %}{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x }}",
    reaching:
      "{{ ''.__class__.__mro__[1].__subclasses__() }}{{ cycler.__init__.__globals__ }}{{ messages.constructor('return process')() }}",
    broken: '{% for m in messages %}',
  }
  for (const [name, template] of Object.entries(hostile)) {
    await using tiny = await serveTiny({}, { template })
    const answer = await tiny.post('/v1/chat/completions', { ...LONG, max_tokens: 1 })
    expect([name, answer.status, (await answer.json()).error.code]).toEqual([name, 400, 'E_TOKENIZER'])
    const text = await tiny.post('/v1/completions', { model: 'tiny', prompt: 'Call me', max_tokens: 2 })
    expect(text.status).toBe(200)
    expect(tiny.bugs).toEqual([])
  }
})

const space = temporaryFolder()
afterAll(() => space[Symbol.dispose]())

test('an adapter of another base is an error before anything is served', async () => {
  const [tiny, wide] = [join(space.path, 'tiny'), join(space.path, 'wide')]
  writeTinyModel(tiny)
  writeTinyModel(wide, { hidden_size: 64 })
  const adapters = new Map([['other', writeAdapter(wide, join(space.path, 'other'), 1)]])
  const opened = openServedModel(tiny, { adapters, device: cpu })
  const error: unknown = await opened.catch((thrown: unknown) => thrown)
  if (!(error instanceof TrituneError)) throw error
  expect(error.code).toBe('E_ADAPTER')
  expect(error.message).toContain(join(space.path, 'other'))
  // Of equal shapes the name alone tells.
  const twin = join(space.path, 'twin')
  writeTinyModel(twin)
  const notes: string[] = []
  const onNote = (note: string): number => notes.push(note)
  const folders = new Map(
    ['own', 'foreign'].map((name, i) => [name, writeAdapter([tiny, twin][i], join(space.path, name), 1)]),
  )
  ;(await openServedModel(tiny, { adapters: folders, device: cpu, onNote }))[Symbol.dispose]()
  expect(notes).toEqual([`the adapter foreign was made for ${twin}, and is served on ${tiny}`])
  const equal = openServedModel(tiny, { name: 'other', adapters, device: cpu })
  expect(await equal.catch((thrown: TrituneError) => thrown.code)).toBe('E_CONFIG')
  const missing = openServedModel(tiny, { adapters: new Map([['no', join(space.path, 'no')]]), device: cpu })
  expect(await missing.catch((thrown: TrituneError) => thrown.code)).toBe('E_FILE')
})
