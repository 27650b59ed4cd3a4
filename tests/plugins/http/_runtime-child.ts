/** A server and its worst clients in one process, for each runtime: prints what became of them. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type HttpServer, jsonReply, openHttpServer } from '../../../plugins/http/mod.ts'
import { ask, neverRead } from './_raw.ts'

const ended: string[] = []
const bugs: string[] = []

async function* endless(name: string): AsyncGenerator<Uint8Array> {
  try {
    while (true) {
      yield new Uint8Array(1 << 18)
      await sleep(1)
    }
  } finally {
    ended.push(name)
  }
}

const server: HttpServer = await openHttpServer({
  token: 'secret',
  stallSeconds: 0.3,
  routes: [
    {
      method: 'GET',
      path: '/open/:name',
      open: true,
      handle: ({ params }) => ({ body: endless(params.name) }),
    },
    { method: 'POST', path: '/act', handle: async (request) => jsonReply(await request.json()) },
  ],
  onBug: (error) => bugs.push(String(error)),
})

const post = async (headers: Record<string, string>): Promise<number> =>
  (
    await ask(server.port, {
      method: 'POST',
      path: '/act',
      headers: { host: 'localhost', 'content-type': 'application/json', ...headers },
      body: '{"a":1}',
    })
  ).status
const authorization = 'Bearer secret'
const statuses = [
  await post({ authorization }),
  await post({}),
  await post({ authorization, origin: 'http://evil.example' }),
  await post({ authorization, host: 'evil.example' }),
]

const taken = await openHttpServer({ token: 'x', port: server.port, routes: [], onBug: () => {} }).catch(
  (error: unknown) => String(error),
)

const silent = neverRead(server.port, '/open/silent')
const cut = new AbortController()
const reply = await fetch(`${server.url}/open/cut`, { signal: cut.signal })
await reply.body?.getReader().read()
cut.abort()
for (let i = 0; i < 500 && ended.length < 2; i++) await sleep(10)
silent.destroy()

const open = await fetch(`${server.url}/open/closed`)
await open.body?.getReader().read()
await server.close()
for (let i = 0; i < 500 && ended.length < 3; i++) await sleep(10)
console.log(
  JSON.stringify({
    statuses,
    taken: typeof taken === 'string' ? taken.split('\n')[0].replace(/\d+/g, 'N') : 'no',
    ended,
    bugs,
  }),
)
