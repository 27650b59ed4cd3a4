/**
 * Runs over HTTP: listed, streamed, controlled; and what is refused.
 */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { appendFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openWebMonitor, type WebMonitor } from '../../../plugins/monitor/mod.ts'
import { readRunLines } from '../../../plugins/runs/mod.ts'
import { temporaryFolder } from '../../_golden.ts'
import { ask as raw } from '../http/_raw.ts'
import { writeRunFolder } from '../runs/_folder.ts'
import { ask, openStream, type StreamEvent } from './_client.ts'

const step = (n: number): object => ({ step: n, loss: 5 - n / 10, learning_rate: 1e-3 })
const bugs: unknown[] = []
let folder: ReturnType<typeof temporaryFolder>
let monitor: WebMonitor

const open = async (): Promise<WebMonitor> =>
  await openWebMonitor({ roots: [folder.path], tritune: ['false'], onBug: (error) => bugs.push(error) })

beforeEach(async () => {
  folder = temporaryFolder()
  writeRunFolder(
    join(folder.path, 'going'),
    {
      run_id: 'r1',
      run_name: 'going',
      status: 'running',
      current_step: 2,
      total_steps: 9,
      started_at: '2026-02-02',
    },
    { 'metrics.jsonl': [step(1), step(2)] },
  )
  writeRunFolder(join(folder.path, 'deep/done'), {
    run_id: 'r2',
    run_name: 'done',
    status: 'completed',
    started_at: '2026-01-01',
  })
  monitor = await open()
})

afterEach(async () => {
  await monitor.close()
  folder[Symbol.dispose]()
  expect(bugs.splice(0)).toEqual([])
})

async function idOf(name: string): Promise<string> {
  const { body } = await ask(monitor, '/api/runs')
  const runs: unknown = body.runs
  const found = Array.isArray(runs) ? runs.find((run) => run.name === name) : undefined
  return String(found?.id)
}

const isChange =
  (fits: (data: object) => boolean) =>
  ({ kind, data }: StreamEvent): boolean =>
    kind === 'change' && typeof data === 'object' && data !== null && fits(data)
const linesOf = (data: object): number => Number(Reflect.get(data, 'metrics').length)

describe('the list', () => {
  test('has every run below the folders, the newest first, by ids that are no paths', async () => {
    const { status, body } = await ask(monitor, '/api/runs')
    expect(status).toBe(200)
    expect(body.runs).toMatchObject([
      { name: 'going', status: 'running', step: 2, totalSteps: 9 },
      { name: 'done', status: 'completed' },
    ])
    for (const id of [await idOf('going'), await idOf('done')]) expect(id).toMatch(/^[0-9a-f]{12}$/)
  })

  test('is empty where there are none', async () => {
    rmSync(folder.path, { recursive: true })
    await using empty = await open()
    expect((await ask(empty, '/api/runs')).body).toEqual({ runs: [] })
  })
})

describe('the stream', () => {
  test('tells all that is there, then what is new', async () => {
    const id = await idOf('going')
    using stream = await openStream(monitor, `/api/watch?runs=${id}`)
    await stream.until(isChange((data) => linesOf(data) === 2))
    appendFileSync(join(folder.path, 'going/metrics.jsonl'), `${JSON.stringify(step(3))}\n{"step":4,`)
    const { data } = await stream.until(isChange((change) => linesOf(change) === 1))
    expect(data).toMatchObject({ id, metrics: [{ step: 3 }], anew: [] })
    expect(stream.events.some(({ kind }) => kind === 'runs')).toBeTrue()
  })

  test('tells when a run begins anew, a new one appears, one goes away', async () => {
    const id = await idOf('going')
    using stream = await openStream(monitor, `/api/watch?runs=${id},${await idOf('done')}`)
    await stream.until(isChange((data) => linesOf(data) === 2))
    writeFileSync(join(folder.path, 'going/metrics.jsonl'), `${JSON.stringify(step(1))}\n`)
    await stream.until(isChange((data) => Reflect.get(data, 'anew').includes('metrics')))
    writeRunFolder(join(folder.path, 'third'), { run_name: 'third', status: 'running' })
    await stream.until(({ kind, data }) => kind === 'runs' && JSON.stringify(data).includes('third'))
    rmSync(join(folder.path, 'deep'), { recursive: true })
    await stream.until(({ kind }) => kind === 'gone')
  })

  test('tells only the rest to who has a part, and all where that part is of a run before', async () => {
    const id = await idOf('going')
    const first = async (known: string): Promise<unknown> => {
      using stream = await openStream(monitor, `/api/watch?runs=${id}${known}`)
      return (await stream.until(({ kind }) => kind === 'change')).data
    }
    const anew = ['metrics', 'events', 'histograms']
    expect(await first('')).toMatchObject({ metrics: [{ step: 1 }, { step: 2 }], anew })
    expect(await first('.1.1.0.0')).toMatchObject({ metrics: [{ step: 2 }], anew: [] })
    expect(await first('.2.2.0.0')).toMatchObject({ metrics: [], anew: [] })
    for (const other of ['.1.7.0.0', '.3.3.0.0', '.2.2.1.0', '.x.y', '.-1.1.0.0', '.0.0.0.0'])
      expect(await first(other)).toMatchObject({ metrics: [{ step: 1 }, { step: 2 }], anew })
  })

  test('names only runs that there are, and not too many', async () => {
    using stream = await openStream(monitor, '/api/watch?runs=..%2F..%2Fetc,000000000000')
    await stream.until(({ kind }) => kind === 'runs')
    expect(stream.events.filter(({ kind }) => kind === 'gone')).toHaveLength(2)
    const many = Array.from({ length: 17 }, (_, i) => i).join(',')
    expect((await ask(monitor, `/api/watch?runs=${many}`)).status).toBe(400)
  })

  test('two monitors watch one run, and both may ask', async () => {
    const id = await idOf('going')
    await using other = await open()
    using first = await openStream(monitor, `/api/watch?runs=${id}`)
    using second = await openStream(other, `/api/watch?runs=${id}`)
    const both = [first, second]
    for (const stream of both) await stream.until(isChange((data) => linesOf(data) === 2))
    for (const one of [monitor, other])
      expect((await ask(one, `/api/runs/${id}/control`, { body: { action: 'pause' } })).status).toBe(200)
    const control = { type: 'control', step: 2, time: 'now', id: 'x', action: 'pause', ok: true }
    appendFileSync(join(folder.path, 'going/events.jsonl'), `${JSON.stringify(control)}\n`)
    for (const stream of both)
      expect(
        (await stream.until(isChange((data) => Reflect.get(data, 'events').length === 1))).data,
      ).toMatchObject({ events: [{ type: 'control', said: 'done: pause' }] })
    expect(asked()).toEqual(['pause', 'pause'])
  })
})

function asked(): unknown[] {
  const path = join(folder.path, 'going/control.jsonl')
  if (!existsSync(path)) return []
  const lines = readFileSync(path, 'utf8').split('\n')
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line).action)
}

describe('control', () => {
  test.each([
    [{ action: 'save' }, 200],
    [{ action: 'set_learning_rate', value: 1e-4 }, 200],
    [{ action: 'set_learning_rate' }, 400],
    [{ action: 'set_learning_rate', value: '1' }, 400],
    [{ action: 'set_learning_rate', value: -1 }, 400],
    [{ action: 'rm -rf' }, 400],
    [{ action: 7 }, 400],
    [{}, 400],
    [[], 400],
    [null, 400],
  ])('%p → %p', async (body, status) => {
    const reply = await ask(monitor, `/api/runs/${await idOf('going')}/control`, { body })
    expect(reply.status).toBe(status)
    expect(asked()).toHaveLength(status === 200 ? 1 : 0)
  })

  test('a run that has ended answers nobody, one that is not there is not found', async () => {
    const body = { action: 'pause' }
    expect((await ask(monitor, `/api/runs/${await idOf('done')}/control`, { body })).status).toBe(409)
    for (const id of ['000000000000', '..%2Fgoing', encodeURIComponent(join(folder.path, 'going'))])
      expect((await ask(monitor, `/api/runs/${id}/control`, { body })).status).toBe(404)
    expect(readRunLines(join(folder.path, 'going'), 'events')).toEqual([])
  })

  test('nothing is asked without the token, for another origin, under another name', async () => {
    const path = `/api/runs/${await idOf('going')}/control`
    const json = { host: '127.0.0.1', 'content-type': 'application/json' }
    const authorization = `Bearer ${monitor.token}`
    const statusOf = async (headers: Record<string, string>): Promise<number> =>
      (
        await raw(monitor.port, {
          method: 'POST',
          path,
          headers: { ...json, ...headers },
          body: '{"action":"stop"}',
        })
      ).status
    expect(await statusOf({})).toBe(401)
    expect(await statusOf({ authorization: 'Bearer x' })).toBe(401)
    expect(await statusOf({ authorization, origin: 'http://evil.example' })).toBe(403)
    expect(await statusOf({ authorization, host: 'rebound.example' })).toBe(421)
    expect(await statusOf({ authorization, 'content-type': 'text/plain' })).toBe(415)
    expect(asked()).toEqual([])
    expect(await statusOf({ authorization })).toBe(200)
    expect(asked()).toEqual(['stop'])
  })

  test.each(['/api/runs', '/api/watch?runs=', '/api/finetune/choices'])(
    '%s needs the token',
    async (path) => {
      expect((await raw(monitor.port, { path, headers: { host: 'localhost' } })).status).toBe(401)
    },
  )
})

test('the page and all that it loads are there, without the token, from this machine alone', async () => {
  const base = `http://127.0.0.1:${monitor.port}`
  const seen = new Set<string>()
  const visit = async (path: string): Promise<void> => {
    if (seen.has(path)) return
    seen.add(path)
    const response = await fetch(base + path)
    expect([path, response.status]).toEqual([path, 200])
    const text = await response.text()
    if (path !== '/uplot.js') expect(text).not.toMatch(/(?:src|href)="https?:|@import|url\(http/)
    const links = text.matchAll(/(?:src|href)="\.(\/[\w.-]+)"|from '\.(\/[\w.-]+)'/g)
    for (const [, link, module] of links) await visit(link ?? module)
  }
  await visit('/')
  expect([...seen]).toContain('/uplot.js')
  expect(seen.size).toBeGreaterThan(12)
})
