/**
 * Loaded before the tests. They must give the same results on every machine, so the variables that change where files
 * and tokens come from are taken away, and `fetch` reaches this machine only. Every test is a leak test: it must leave
 * as many tensors as it found.
 */
import { afterEach, beforeEach } from 'bun:test'
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

const realFetch: typeof fetch = globalThis.fetch
const localFetch = (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
  const url = new URL(input instanceof Request ? input.url : input)
  if (/^https?:$/.test(url.protocol) && !LOCAL.has(url.hostname)) {
    throw new Error(`a test asked for ${url.href}: tests use no network`)
  }
  return realFetch(input, init)
}
globalThis.fetch = Object.assign(localFetch, { preconnect: realFetch.preconnect })
