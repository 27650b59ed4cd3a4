/**
 * Folders of runs as they are read and watched: old ones, newer ones, killed ones, files that are being written.
 */
import { expect, test } from 'bun:test'
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  followLines,
  listRuns,
  parseRunRecord,
  readRun,
  readRunLines,
  type RunChange,
  watchRun,
} from '../../../plugins/runs/mod.ts'
import { temporaryFolder } from '../../_golden.ts'
import { workspace } from '../finetune/_run.ts'
import { writeRunFolder } from './_folder.ts'

test('a run writes its record, and reading it gives back what was written', async () => {
  using space = workspace()
  const { outputDir } = await space.train(
    { val_set_size: 2, eval_steps: 3, save_strategy: undefined, save_steps: 4 },
    { command: 'tritune finetune my.yaml' },
  )
  const run = readRun(outputDir)
  expect(run).toMatchObject({
    run_name: 'out',
    status: 'completed',
    command: 'tritune finetune my.yaml',
    adapter: 'lora',
    current_step: 6,
    total_steps: 6,
    error_message: null,
    base_learning_rate: 5e-3,
    learning_rate_changes: [],
    pid: process.pid,
    host: hostname(),
  })
  expect(run.run_id).toMatch(/^\d{8}-\d{6}-[\da-f]{6}$/)
  expect(run.config).toMatchObject({ lora_r: 4, learning_rate: 5e-3 })
  expect(run.config_hash).toMatch(/^[\da-f]{12}$/)
  expect(run.checkpoints).toMatchObject([{ step: 4, path: 'checkpoint-4' }])
  const evals = readRunLines(outputDir, 'metrics').flatMap(({ step, eval_loss: loss }) =>
    loss ? [{ step, loss }] : [],
  )
  const best = evals.toSorted((a, b) => a.loss - b.loss)[0]
  expect([run.best_step, run.best_loss]).toEqual([best.step, best.loss])
  expect(readRunLines(outputDir, 'events').map(({ type }) => type)).toEqual([
    'start',
    'eval',
    'save',
    'eval',
    'end',
  ])
})

test('a run that fails says so in its record', async () => {
  using space = workspace()
  const failing = space.train({ learning_rate: 1e25, max_grad_norm: 0, max_steps: 50 })
  expect(await failing.catch((error: unknown) => Object(error).code)).toBe('E_NAN')
  const run = readRun(join(space.path, 'out'))
  expect(run.status).toBe('failed')
  expect(run.error_message).toContain('learning_rate')
  expect(readRunLines(join(space.path, 'out'), 'events').at(-1)).toMatchObject({
    type: 'error',
    code: 'E_NAN',
  })
})

test('a record of an earlier or later version, or one that is damaged, is read as far as it goes', () => {
  const empty = parseRunRecord({})
  expect(empty).toMatchObject({ run_id: '', status: 'initializing', checkpoints: [], best_loss: null })
  expect(parseRunRecord(null)).toEqual(empty)
  expect(parseRunRecord([1])).toEqual(empty)
  const odd = {
    run_id: 7,
    status: 'dreaming',
    current_step: 'many',
    total_steps: Number.POSITIVE_INFINITY,
    checkpoints: [{ step: 1, path: 'checkpoint-1', of: 'later' }, 3, null],
    memory: 5,
    config: [1],
    hyperdrive: true,
  }
  expect(parseRunRecord(odd)).toEqual({
    ...empty,
    checkpoints: [{ step: 1, path: 'checkpoint-1', loss: null, time: '' }],
  })
})

test('a run of before there was run.json is read from its metrics', () => {
  using folder = temporaryFolder()
  writeFileSync(
    join(folder.path, 'metrics.jsonl'),
    '{"step":1,"loss":3,"learning_rate":0.1,"tokens_per_second":5}\n{"step":1,"eval_loss":2}\n{"step":2,"loss":null}\n{"step":2,"eval_loss":4}\n{"st',
  )
  expect(readRun(folder.path)).toMatchObject({
    status: 'cancelled',
    current_step: 2,
    current_loss: null,
    best_loss: 2,
    best_step: 1,
  })
  writeFileSync(join(folder.path, 'finished.json'), '{}')
  expect(readRun(folder.path).status).toBe('completed')
  expect(() => readRun(join(folder.path, 'no'))).toThrow('there is no run here')
})

test('a run whose process is gone is told as failed; one that lives, or is elsewhere, as it says', () => {
  using folder = temporaryFolder()
  const gone = Bun.spawnSync(['true']).pid
  const at = new Date().toISOString()
  const status = (record: object): string =>
    readRun(writeRunFolder(folder.path, { updated_at: at, ...record })).status
  for (const was of ['initializing', 'running', 'paused'] as const)
    expect(status({ status: was, pid: gone, host: hostname() })).toBe('failed')
  expect(readRun(folder.path).error_message).toContain('killed')
  expect(status({ status: 'completed', pid: gone, host: hostname() })).toBe('completed')
  expect(status({ status: 'running', pid: process.pid, host: hostname() })).toBe('running')
  expect(status({ status: 'running', pid: gone, host: 'elsewhere' })).toBe('running')
  // Its number may be another process's since the machine was started anew.
  const before = { updated_at: '2001-01-01T00:00:00Z', pid: process.pid, host: hostname() }
  expect(status({ ...before, status: 'running' })).toBe('failed')
})

test.skipIf(process.platform !== 'linux')(
  'a disk that is full for the record alone switches it off with a note; the run ends, and is read as completed',
  async () => {
    using space = workspace()
    const out = join(space.path, 'out')
    const { result, events } = await space.train(
      { save_strategy: undefined, save_steps: 3 },
      {
        onEvent(event) {
          if (event.type !== 'step' || event.report.step !== 2) return
          rmSync(join(out, 'events.jsonl'))
          symlinkSync('/dev/full', join(out, 'events.jsonl'))
        },
      },
    )
    expect(result).toMatchObject({ steps: 6, stopped: false })
    const notes = events.flatMap((event) => (event.type === 'note' ? [event.text] : []))
    expect(notes).toEqual([
      expect.stringMatching(/^the monitor run\.json is switched off, it failed: .*events\.jsonl: .*space/s),
    ])
    expect(readRun(out).status).toBe('running')
    const record = JSON.parse(readFileSync(join(out, 'run.json'), 'utf8'))
    writeFileSync(join(out, 'run.json'), JSON.stringify({ ...record, pid: Bun.spawnSync(['true']).pid }))
    expect(readRun(out)).toMatchObject({ status: 'completed', error_message: null })
  },
)

test('listRuns() finds runs below folders, newest first, and looks into no checkpoints', () => {
  using folder = temporaryFolder()
  const { path } = folder
  writeRunFolder(join(path, 'a'), { started_at: '2026-01-01T00:00:00Z' })
  writeRunFolder(join(path, 'deep/er/b'), { started_at: '2026-03-01T00:00:00Z' })
  for (const name of ['checkpoint-1', '.hidden', 'node_modules']) writeRunFolder(join(path, 'x', name), {})
  mkdirSync(join(path, 'no-run'))
  const found = (roots: string[]): string[] =>
    listRuns(roots).map(({ folder: at }) => at.slice(path.length + 1))
  expect(found([path, join(path, 'a')])).toEqual(['deep/er/b', 'a'])
  expect(found([join(path, 'not-there')])).toEqual([])
})

test('followLines() keeps half lines back, and begins anew with a file that was replaced or cut', () => {
  using folder = temporaryFolder()
  const path = join(folder.path, 'lines.jsonl')
  const follower = followLines(path)
  expect(follower.look()).toEqual({ lines: [], anew: false })
  writeFileSync(path, '{"a":1}\n{"a":')
  expect(follower.look()).toEqual({ lines: [{ a: 1 }], anew: false })
  expect(follower.look()).toEqual({ lines: [], anew: false })
  appendFileSync(path, '"ä"}\nno json\n{"a":3}\n')
  expect(follower.look()).toEqual({ lines: [{ a: 'ä' }, { a: 3 }], anew: false })
  writeFileSync(`${path}.new`, '{"a":1}\n')
  renameSync(`${path}.new`, path)
  expect(follower.look()).toEqual({ lines: [{ a: 1 }], anew: true })
  writeFileSync(path, '')
  expect(follower.look()).toEqual({ lines: [], anew: true })
  expect(followLines(path, { from: 'end' }).look()).toEqual({ lines: [], anew: false })
})

test('watchRun() tells what is there, then what is new, to any number of watchers', async () => {
  using folder = temporaryFolder()
  const { path } = folder
  writeRunFolder(path, { run_id: 'r', current_step: 1 }, { 'metrics.jsonl': [{ step: 1, loss: 3 }] })
  const seen: RunChange[] = []
  const others: RunChange[] = []
  using _first = watchRun(path, (change) => seen.push(change), { everyMs: 10 })
  using _second = watchRun(path, (change) => others.push(change), { everyMs: 10 })
  expect(seen).toMatchObject([
    { run: { run_id: 'r' }, metrics: [{ step: 1, loss: 3 }], events: [], anew: [] },
  ])
  const until = async (count: number): Promise<void> => {
    while (seen.length < count || others.length < count) await sleep(5)
  }
  appendFileSync(join(path, 'events.jsonl'), '{"time":"t","step":1,"type":"note","text":"hello"}\n{"half')
  await until(2)
  expect(seen[1]).toMatchObject({ metrics: [], events: [{ text: 'hello' }] })
  writeRunFolder(path, { run_id: 'r', current_step: 2, run_name: 'longer' })
  await until(3)
  expect(seen[2].run.current_step).toBe(2)
  writeFileSync(join(path, 'metrics.jsonl'), '')
  await until(4)
  expect(seen[3].anew).toEqual(['metrics'])
  expect(others).toEqual(seen)
})

test('watchRun() tells when the folder goes away, and ends', async () => {
  using folder = temporaryFolder()
  const path = writeRunFolder(join(folder.path, 'run'), { run_id: 'r' })
  const failed = Promise.withResolvers<unknown>()
  using _watch = watchRun(path, () => {}, { everyMs: 5, onError: failed.resolve })
  renameSync(path, `${path}-gone`)
  expect(String(await failed.promise)).toContain('there is no run here')
  expect(() => watchRun(path, () => {})).toThrow('there is no run here')
})

const ROOT_USER = 0
const NOBODY = 65_534

test.skipIf(process.platform === 'win32')(
  'listRuns() passes by folders of somebody else, but not where one is named',
  () => {
    using folder = temporaryFolder()
    writeRunFolder(join(folder.path, 'mine'), { run_id: 'a' })
    const closed = join(folder.path, 'closed')
    mkdirSync(closed)
    chmodSync(folder.path, 0o755)
    chmodSync(closed, 0)
    const isRoot = process.geteuid?.() === ROOT_USER
    // Who may read everything is refused nothing.
    if (isRoot) process.seteuid?.(NOBODY)
    try {
      expect(listRuns([folder.path]).map(({ run }) => run.run_id)).toEqual(['a'])
      expect(() => listRuns([closed])).toThrow('cannot read')
    } finally {
      if (isRoot) process.seteuid?.(ROOT_USER)
      chmodSync(closed, 0o755)
    }
  },
)
