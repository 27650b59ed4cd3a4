/**
 * Fine-tuning from the page, over HTTP: from a model and a file to an adapter; and what cannot be, told with its place, leaving nothing behind.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { listCheckpoints } from '../../../plugins/finetune/mod.ts'
import { openWebMonitor, type WebMonitor } from '../../../plugins/monitor/mod.ts'
import { readRun } from '../../../plugins/runs/mod.ts'
import { temporaryFolder } from '../../_golden.ts'
import { writeTinyModel } from '../../_tiny.ts'
import { commandLine } from '../../scripts/_command.ts'
import { type Answer, ask, until } from './_client.ts'

const folder = temporaryFolder()
const root = join(folder.path, 'outputs')
const model = join(folder.path, 'model')
const data = join(folder.path, 'data.jsonl')
const bugs: unknown[] = []
let monitor: WebMonitor

beforeAll(async () => {
  writeTinyModel(model)
  const records = Array.from({ length: 40 }, (_, i) => ({ text: `the number ${i} and then ${i + 1}` }))
  writeFileSync(data, records.map((record) => `${JSON.stringify(record)}\n`).join(''))
  monitor = await openWebMonitor({
    roots: [root],
    tritune: commandLine('bun', []),
    onBug: (error) => bugs.push(error),
  })
})

afterAll(async () => {
  await monitor.close()
  folder[Symbol.dispose]()
  expect(bugs).toEqual([])
})

const post = async (what: string, body: unknown): Promise<Answer> =>
  await ask(monitor, `/api/finetune/${what}`, { body })

async function draft(name: string): Promise<string> {
  const { status, body } = await post('draft', { model, data, name, adapter: 'lora' })
  expect([status, body]).toEqual([200, { text: expect.any(String) }])
  return String(body.text)
}

const stateOf = (name: string): string | undefined =>
  monitor.jobs.list().find((job) => job.name === name)?.state

describe('from a model and a file', () => {
  test('to its tokens, what it takes, and a finished adapter', async () => {
    const text = await draft('my-run')
    expect(text).toContain(`output_dir: ${join(root, 'my-run')}`)
    expect(text).toContain('type: completion')
    expect(text).not.toContain('tritune-page-')

    const preview = await post('preview', { name: 'my-run', text })
    expect(preview.status).toBe(200)
    const [example] = Array.isArray(preview.body.examples) ? preview.body.examples : []
    expect(example.tokens.map((token: { text: string }) => token.text).join('')).toMatch(/^the number \d+/)
    expect(example.tokens[0].trained).toBeTrue()

    const estimate = await post('estimate', { name: 'my-run', text })
    expect(estimate.status).toBe(200)
    expect(estimate.body).toMatchObject({ type: 'estimate', fits: true })

    const start = await post('start', { name: 'my-run', text })
    expect([start.status, start.body.state]).toEqual([200, 'initializing'])
    await until(() => stateOf('my-run') === 'completed', 60)
    expect(existsSync(join(root, 'my-run/adapter_model.safetensors'))).toBeTrue()
    expect(readFileSync(join(root, 'my-run.yaml'), 'utf8')).toBe(text)
    const { body } = await ask(monitor, '/api/runs')
    expect(body.runs).toMatchObject([{ id: start.body.run, name: 'my-run', status: 'completed' }])
    expect(monitor.jobs.list()[0].command).toContain('generate')
    expect((await post('start', { name: 'my-run', text })).status).toBe(400)
  }, 120_000)

  test('what there is to choose from', async () => {
    const { body } = await ask(monitor, '/api/finetune/choices')
    expect(JSON.stringify(body.models)).toContain('quickstart/model')
    expect(JSON.stringify(body.files)).toContain('moby-dick.train.jsonl')
  })
})

describe('what lies near the working folder', () => {
  const offered = { models: [{ name: './model', bytes: null }], files: [{ name: 'data.jsonl', bytes: 1 }] }

  test('data by its name and, of a .json, its beginning; each once', () => {
    using near = temporaryFolder()
    const write = (name: string, text: string): void => writeFileSync(join(near.path, name), text)
    mkdirSync(join(near.path, 'model'))
    mkdirSync(join(near.path, 'sub'))
    write('model/config.json', '{}')
    write('model/model.safetensors', '')
    for (const name of ['data.jsonl', '.hidden.jsonl', 'sub/rows.csv']) write(name, '')
    write('list.json', ' [\n  {"text": "a"}]')
    write('lines.json', '{"text": "a"}\n{"text": "b"}\n')
    write('one.json', '{"text": "a"}\n')
    write('.oxlintrc.json', '{"rules": {}}\n')
    write('kernels.json', '{"sources": "1", "builds": [\n{"library": "x"}]}\n')
    write('numbers.json', '[1, 2]')
    const code = `import { findChoices } from '${join(import.meta.dir, '../../../plugins/monitor/web/choices.ts')}'
      console.log(JSON.stringify(await findChoices(${JSON.stringify(offered)})))`
    const { stdout, stderr } = Bun.spawnSync([process.execPath, '-e', code], {
      cwd: near.path,
      env: { ...process.env, HF_HOME: near.path },
    })
    expect(stderr.toString()).toBe('')
    const { models, files } = JSON.parse(stdout.toString())
    const names = (all: { readonly name: string }[]): string[] => all.map(({ name }) => name).toSorted()
    expect(names(models)).toEqual(['./model'])
    expect(names(files)).toEqual(['./lines.json', './list.json', './one.json', 'data.jsonl', 'sub/rows.csv'])
  })
})

describe('a file that is given to the page', () => {
  const give = async (name: string, body: string, headers: Record<string, string> = {}): Promise<Response> =>
    await fetch(`http://127.0.0.1:${monitor.port}/api/finetune/data/${encodeURIComponent(name)}`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${monitor.token}`,
        'content-type': 'application/octet-stream',
        ...headers,
      },
      body,
    })
  const there = (): string[] => (existsSync(join(root, 'data')) ? readdirSync(join(root, 'data')) : [])

  test('lies beside the runs, once', async () => {
    const reply = await give('my data.jsonl', '{"text":"ä"}\n')
    expect([reply.status, await reply.json()]).toEqual([200, { path: join(root, 'data/my data.jsonl') }])
    expect(readFileSync(join(root, 'data/my data.jsonl'), 'utf8')).toBe('{"text":"ä"}\n')
    expect((await give('my data.jsonl', 'other')).status).toBe(400)
    expect(readFileSync(join(root, 'data/my data.jsonl'), 'utf8')).toBe('{"text":"ä"}\n')
  })

  test.each([
    '../up.jsonl',
    '/etc/x.txt',
    'a\\b.csv',
    '.hidden.jsonl',
    'plugin.ts',
    'x.jsonl.sh',
    'nul\0.txt',
    'a\n.txt',
  ])('is not written as %p', async (name) => {
    const before = there()
    expect((await give(name, 'x')).status).toBe(400)
    expect(there()).toEqual(before)
  })

  test('is not written without the token, for a form, or where its client went away', async () => {
    const before = there()
    expect((await give('a.txt', 'x', { authorization: '' })).status).toBe(401)
    expect((await give('a.txt', 'x', { 'content-type': 'text/plain' })).status).toBe(415)
    const socket = connect(monitor.port, '127.0.0.1')
    socket.write(
      `POST /api/finetune/data/cut.txt HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${monitor.token}\r\n` +
        'content-type: application/octet-stream\r\ncontent-length: 1000\r\n\r\nhalf of it',
    )
    await until(() => there().length > before.length)
    socket.destroy()
    await until(() => there().length === before.length)
    expect(there()).toEqual(before)
  })
})

describe('what cannot be', () => {
  test.each(['', '.', '..', '../up', 'a/b', 'a\\b', '.hidden', 'x'.repeat(65), 'a b', 'con.', '-x'])(
    'a run named "%s"',
    async (name) => {
      for (const what of ['draft', 'preview', 'estimate', 'start'])
        expect((await post(what, { name, text: 'a: 1', model, data, adapter: 'lora' })).status).toBe(400)
      expect(monitor.jobs.list().map((job) => job.name)).not.toContain(name)
    },
  )

  test('data that is not there, an adapter that is none, options in place of values', async () => {
    const base = { model, data, name: 'x', adapter: 'lora' }
    for (const change of [{ data: join(folder.path, 'none.jsonl') }, { adapter: 'none of these' }]) {
      const { status, body } = await post('draft', { ...base, ...change })
      expect(status).toBe(400)
      expect(JSON.stringify(body)).not.toContain('tritune-page-')
    }
    const { body } = await post('draft', { ...base, model: '--help' })
    expect(String(body.text)).toContain('base_model: "--help"')
  })

  test('a file with faults: each of them, with its line in the file as the page knows it', async () => {
    const text =
      'base_model: x\nlora_r: many\nlearning_rat: 1\ndatasets:\n  - path: none.jsonl\n    type: completion\n'
    for (const what of ['preview', 'estimate']) {
      const { status, body } = await post(what, { name: 'bad', text })
      expect(status).toBe(400)
      expect(body.error).toMatchObject({
        code: expect.stringMatching(/^E_CONFIG/),
        faults: expect.arrayContaining([
          expect.objectContaining({ key: 'lora_r', where: expect.stringMatching(/^bad\.yaml:2:/) }),
          expect.objectContaining({ where: expect.stringMatching(/^bad\.yaml:3:/) }),
        ]),
      })
      expect(JSON.stringify(body)).not.toContain('tritune-page-')
    }
    expect((await post('start', { name: 'bad', text })).status).toBe(400)
    expect(existsSync(join(root, 'bad.yaml'))).toBeFalse()
  }, 30_000)

  test('a result outside of the folders that the page shows', async () => {
    const text = (await draft('far')).replace(/^output_dir: .*$/m, `output_dir: ${join(folder.path, 'far')}`)
    const { status, body } = await post('start', { name: 'far', text })
    expect([status, body.error]).toEqual([400, expect.objectContaining({ code: 'E_CONFIG' })])
    expect(readdirSync(root)).not.toContain('far.yaml')
  })

  test('a run that fails before its first step leaves nothing, and says why', async () => {
    const text = (await draft('early')).replace(
      /^base_model: .*$/m,
      `base_model: ${join(folder.path, 'gone')}`,
    )
    expect((await post('start', { name: 'early', text })).status).toBe(200)
    await until(() => stateOf('early') === 'failed', 30)
    const [{ error }] = monitor.jobs.list()
    expect(error).toMatchObject({ type: 'error', what: expect.any(String), faults: [expect.anything()] })
    await until(() => !existsSync(join(root, 'early.yaml')))
  }, 60_000)
})

test('one run at a time; when the page is closed it stops after its step, and keeps a checkpoint', async () => {
  await using second = await openWebMonitor({
    roots: [root],
    tritune: commandLine('bun', []),
    onBug: (error) => bugs.push(error),
  })
  const text = (await draft('long')).replace(/^num_epochs: .*$/m, 'num_epochs: 100000')
  const start = async (name: string): Promise<number> =>
    (await ask(second, '/api/finetune/start', { body: { name, text } })).status
  expect(await start('long')).toBe(200)
  expect(await start('other')).toBe(409)
  await until(() => second.jobs.list()[0].state === 'running', 30)
  await second.close()
  expect(second.jobs.list()[0]).toMatchObject({
    state: 'cancelled',
    command: expect.stringContaining('--resume'),
  })
  expect(readRun(join(root, 'long')).status).toBe('cancelled')
  expect(listCheckpoints(join(root, 'long'))).toHaveLength(1)
}, 90_000)
