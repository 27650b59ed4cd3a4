/**
 * Loaded before the tests. They must give the same results on every machine, so the variables that change where files
 * and tokens come from are taken away, and `fetch` reaches this machine only. They and the processes that they start
 * have a folder for caches of their own: the index of runs of who tests is no business of theirs. Every test is a leak
 * test: it must leave as many tensors as it found.
 */
import { afterAll, afterEach, beforeEach } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { currentScope } from '../core/tensor/scope.ts'
import { countLiveTensors } from '../core/tensor/tensor.ts'

let liveBefore = 0

beforeEach(() => {
  liveBefore = countLiveTensors()
})

afterEach(() => {
  const left = countLiveTensors() - liveBefore
  if (left !== 0) throw new Error(`this test left ${left} tensors behind`)
  if (currentScope()) throw new Error('this test left a tensor scope open')
})

const LOCAL: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]'])

for (const name of Object.keys(process.env))
  if (/^(HF|HUGGING_?FACE|WANDB|MLFLOW)_/.test(name)) delete process.env[name]

const cache = mkdtempSync(join(tmpdir(), 'tritune-test-cache-'))
process.env['TRITUNE_CACHE'] = cache
// Once, after all files.
afterAll(() => rmSync(cache, { recursive: true, force: true }))
// Left to itself Bun gives a process that it starts the variables as they were when it started itself.
const WITH_VARIABLES: ProxyHandler<typeof Bun.spawn | typeof Bun.spawnSync> = {
  apply: (spawn, self: unknown, [command, options]: readonly unknown[]): unknown =>
    Reflect.apply(
      spawn,
      self,
      Array.isArray(command) ? [command, withVariables(options)] : [withVariables(command)],
    ),
}
Object.assign(Bun, {
  spawn: new Proxy(Bun.spawn, WITH_VARIABLES),
  spawnSync: new Proxy(Bun.spawnSync, WITH_VARIABLES),
})
function withVariables(options: unknown): object {
  return { env: process.env, ...(typeof options === 'object' ? options : {}) }
}

const realFetch: typeof fetch = globalThis.fetch
const localFetch = (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
  const url = new URL(input instanceof Request ? input.url : input)
  if (/^https?:$/.test(url.protocol) && !LOCAL.has(url.hostname)) {
    throw new Error(`a test asked for ${url.href}: tests use no network`)
  }
  return realFetch(input, init)
}
globalThis.fetch = Object.assign(localFetch, { preconnect: realFetch.preconnect })
