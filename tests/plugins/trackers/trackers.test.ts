/**
 * wandb and MLflow as a server on this machine sees them: what arrives, what a server that is away or refuses does to a run, and that no key is shown.
 */
import { afterEach, expect, test } from 'bun:test'
import { join } from 'node:path'
import type { RunEvent } from '../../../core/mod.ts'
import { createOutbox } from '../../../plugins/trackers/http/outbox.ts'
import { TryLater } from '../../../plugins/trackers/http/request-json.ts'
import { mlflow, wandb } from '../../../plugins/trackers/mod.ts'
import { passwordOf } from '../../../plugins/trackers/wandb/wandb-key.ts'
import { readRun, readRunLines } from '../../../plugins/runs/mod.ts'
import { monitorContract, runContract } from '../../../testing/mod.ts'
import { workspace } from '../finetune/_run.ts'
import { trackerServer, type TrackedRun } from './_tracker-server.ts'

const KEY = 'k'.repeat(40)

function environment(values: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(values)) process.env[name] = value
}

afterEach(() => {
  for (const name of Object.keys(process.env)) if (/^(WANDB|MLFLOW)_/.test(name)) delete process.env[name]
})

/** What the service should know: the lines of metrics.jsonl. */
function expected(out: string, rename: (name: string) => string): [number, Record<string, unknown>][] {
  const rows = new Map<number, Record<string, unknown>>()
  for (const { step, ...values } of readRunLines(out, 'metrics'))
    rows.set(step, {
      ...rows.get(step),
      ...Object.fromEntries(Object.entries(values).map(([name, value]) => [rename(name), value ?? 'NaN'])),
    })
  return [...rows]
}

const grouped = (name: string): string =>
  name.startsWith('eval_') ? `eval/${name.slice(5)}` : `train/${name}`
const historyOf = ({ history }: TrackedRun): unknown => [...history]
const EVALUATED = { val_set_size: 2, eval_steps: 3 }

test('wandb: a run with its settings, every number under train/ and eval/, and how it ended', async () => {
  using server = trackerServer()
  environment({ WANDB_API_KEY: KEY, WANDB_BASE_URL: server.url })
  using space = workspace()
  const monitors = [{ name: 'wandb', project: 'tries', entity: 'me' }]
  const { outputDir } = await space.train({ ...EVALUATED, monitors })
  const [run] = server.runs()
  expect(server.runs().length).toBe(1)
  expect(run).toMatchObject({
    kind: 'wandb',
    name: 'out',
    project: 'tries',
    status: 'FINISHED',
    config: { lora_r: 4 },
  })
  expect(historyOf(run)).toEqual(expected(outputDir, grouped))
  const { auth, path } = server.requests.at(-1) ?? {}
  expect(auth).toBe(`Basic ${btoa(`api:${KEY}`)}`)
  expect(path).toBe(`/files/me/tries/${readRun(outputDir).run_id}/file_stream`)
})

test('MLflow: an experiment, its run with parameters and metrics, FINISHED', async () => {
  using server = trackerServer()
  environment({ MLFLOW_TRACKING_USERNAME: 'u', MLFLOW_TRACKING_PASSWORD: 'p' })
  using space = workspace()
  const tracked = {
    name: 'mlflow',
    tracking_uri: `${server.url}/`,
    experiment_name: 'tries',
    run_name: 'first',
  }
  const { outputDir } = await space.train({ ...EVALUATED, monitors: [tracked] })
  const [run] = server.runs()
  expect(run).toMatchObject({
    kind: 'mlflow',
    name: 'first',
    project: 'tries',
    status: 'FINISHED',
    config: { lora_r: '4', adapter: 'lora' },
  })
  expect(historyOf(run)).toEqual(expected(outputDir, (name) => name))
  expect(server.requests.every(({ auth }) => auth === `Basic ${btoa('u:p')}`)).toBe(true)
})

test('MLflow: a resumed run goes on in the run that it began', async () => {
  using server = trackerServer()
  using space = workspace()
  const monitors = [{ name: 'mlflow', tracking_uri: server.url, experiment_name: 'tries' }]
  const changes = { monitors, save_strategy: undefined, save_steps: 2 }
  const stop = new AbortController()
  await space.train(changes, {
    signal: stop.signal,
    async onEvent(event: RunEvent) {
      if (event.type === 'step' && event.report.step === 4) stop.abort()
    },
  })
  expect(server.runs()).toMatchObject([{ status: 'KILLED' }])
  const { outputDir } = await space.train(changes, { resume: 'newest' })
  const runs = server.runs()
  expect(runs.map(({ status }) => status)).toEqual(['FINISHED'])
  expect([...runs[0].history.keys()]).toEqual(readRunLines(outputDir, 'metrics').map(({ step }) => step))
})

test('a run that fails is told as failed', async () => {
  using server = trackerServer()
  environment({ WANDB_API_KEY: KEY, WANDB_BASE_URL: server.url })
  using space = workspace()
  const monitors = ['wandb', { name: 'mlflow', tracking_uri: server.url }]
  const failing = space.train({ monitors, learning_rate: 1e25, max_grad_norm: 0, max_steps: 50 })
  expect(await failing.catch((error: unknown) => Object(error).code)).toBe('E_NAN')
  expect(
    server
      .runs()
      .map(({ kind, status }) => `${kind} ${status}`)
      .toSorted(),
  ).toEqual(['mlflow FAILED', 'wandb FAILED'])
})

test.each([401, 404])(
  'a server that answers %d is one note without the key, and the run ends as ever',
  async (status) => {
    using server = trackerServer()
    server.answer = status
    environment({ WANDB_API_KEY: KEY, WANDB_BASE_URL: server.url, MLFLOW_TRACKING_TOKEN: KEY })
    using space = workspace()
    const monitors = ['wandb', { name: 'mlflow', tracking_uri: server.url }]
    const { result, events } = await space.train({ monitors })
    expect(result).toMatchObject({ steps: 6, stopped: false })
    const notes = events.flatMap((event) => (event.type === 'note' ? [event.text] : []))
    expect(notes.map((note) => note.split(' is switched off')[0]).toSorted()).toEqual([
      'the monitor mlflow',
      'the monitor wandb',
    ])
    expect(notes.join()).toContain(`the server answers ${status}`)
    expect(notes.join()).not.toContain(KEY)
    expect(notes.join()).not.toContain(btoa(`api:${KEY}`))
  },
)

test('without a key or an address nothing begins', async () => {
  using space = workspace()
  const codeOf = async (monitors: unknown): Promise<string> =>
    await space.train({ monitors }).then(
      () => 'it went on',
      (error: unknown) => `${Object(error).code} ${String(error)}`,
    )
  process.env['NETRC'] = join(space.path, 'none')
  expect(await codeOf(['wandb'])).toContain('WANDB_API_KEY')
  expect(await codeOf(['mlflow'])).toContain('mlflow_tracking_uri')
  expect(await codeOf([{ name: 'mlflow', tracking_uri: 'file:./mlruns' }])).toContain('begins with http')
  environment({ WANDB_API_KEY: KEY, WANDB_BASE_URL: 'nowhere' })
  expect(await codeOf(['wandb'])).toContain('WANDB_BASE_URL is no address')
  delete process.env['NETRC']
})

test('the outbox sends in order, again after what may pass, and gives up in time', async () => {
  const sent: number[] = []
  let refusals = 3
  const outbox = createOutbox<number>({
    everyMs: 1,
    againMs: 1,
    async send(items) {
      if (refusals-- > 0) throw new TryLater('the server is away')
      sent.push(...items)
    },
  })
  for (let i = 0; i < 2500; i++) outbox.add(i)
  await outbox.end()
  expect(sent).toEqual(Array.from({ length: 2500 }, (_, i) => i))

  const away = createOutbox<number>({
    everyMs: 1,
    againMs: 5,
    patienceMs: 60,
    most: 10,
    send: () => Promise.reject(new TryLater('away')),
  })
  for (let i = 0; i < 25; i++) away.add(i)
  expect(await away.end().catch((error: unknown) => String(error))).toContain(
    "25 of the run's lines were not sent: away",
  )

  const broken = createOutbox<number>({ everyMs: 0, send: () => Promise.reject(new Error('no')) })
  broken.add(1)
  await Bun.sleep(20)
  expect(() => broken.add(2)).toThrow('no')
})

test('a server that never answers holds the end of a run for a bounded time', async () => {
  const silent = createOutbox<number>({ everyMs: 0, patienceMs: 50, send: () => new Promise(() => {}) })
  silent.add(1)
  const began = performance.now()
  expect(await silent.end().catch((error: unknown) => String(error))).toContain('no answer came')
  expect(performance.now() - began).toBeLessThan(2000)
})

test('the key of a host stands in netrc', () => {
  const netrc =
    'machine other\n  login a\n  password no\nmachine api.wandb.ai\n  login user\n  password yes\n'
  expect(passwordOf('api.wandb.ai', netrc)).toBe('yes')
  expect(passwordOf('other', netrc)).toBe('no')
  expect(passwordOf('api.wandb.ai', 'machine api.wandb.ai login x machine b password other')).toBeNull()
  expect(passwordOf('nowhere', netrc)).toBeNull()
})

test('both keep the contract of monitors', async () => {
  using server = trackerServer()
  environment({ WANDB_API_KEY: KEY, WANDB_BASE_URL: server.url, MLFLOW_TRACKING_URI: server.url })
  for (const definition of [wandb, mlflow]) {
    const { failed } = await runContract(monitorContract(definition))
    expect(failed).toEqual([])
  }
})
