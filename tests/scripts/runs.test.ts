/**
 * The command `runs` on folders of runs, and on a run that is at work in another process.
 */
import { afterAll, beforeEach, expect, test } from 'bun:test'
import { existsSync, mkdirSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { basename, join } from 'node:path'
import { differentSettings } from '../../scripts/runs/compare.ts'
import { chosenRuns, needlessCheckpoints } from '../../scripts/runs/prune.ts'
import { sparkline } from '../../scripts/runs/table.ts'
import { parseRunRecord, readRun, readRunLines, type RunRecord } from '../../plugins/runs/mod.ts'
import { temporaryFolder } from '../_golden.ts'
import { countingTexts } from '../plugins/finetune/_run.ts'
import { writeRunFolder } from '../plugins/runs/_folder.ts'
import { writeTinyModel } from '../_tiny.ts'
import { commandLine, type Said, tritune } from './_command.ts'

const place = temporaryFolder()
afterAll(() => place[Symbol.dispose]())
const outputs = join(place.path, 'outputs')
const cache = process.env['TRITUNE_CACHE']
process.env['TRITUNE_CACHE'] = join(place.path, 'cache')
afterAll(() => {
  process.env['TRITUNE_CACHE'] = cache
})

const runs = (...args: readonly string[]): Said => tritune(['runs', ...args], { cwd: place.path })
const parsed = (...args: readonly string[]): ReturnType<typeof JSON.parse> =>
  JSON.parse(runs(...args, '--json').stdout)

beforeEach(() => {
  const metrics = (factor: number): object[] =>
    Array.from({ length: 20 }, (_, i) => ({ step: i + 1, loss: factor / (i + 1) }))
  const common = { total_steps: 20, current_step: 20, tritune_version: '0.2.0' }
  writeRunFolder(
    join(outputs, 'low'),
    {
      ...common,
      run_id: '20260101-aa',
      run_name: 'low',
      status: 'completed',
      started_at: '2026-01-01T00:00:00Z',
      config: { learning_rate: 1e-4, seed: 1 },
      best_loss: 1.5,
      best_step: 10,
      learning_rate_changes: [{ step: 12, from: 1e-4, to: 5e-5 }],
    },
    {
      'metrics.jsonl': metrics(2),
      'events.jsonl': [
        { time: '2026-01-01T00:00:01Z', step: 3, type: 'note', text: 'a\u001b[31m note' },
        ...Array.from({ length: 20 }, (_, i) => ({
          time: '2026-01-01T00:00:02Z',
          step: i + 1,
          type: 'sample',
          prompt: 'The whale',
          completion: ` swims ${i}`,
        })),
      ],
    },
  )
  writeRunFolder(
    join(outputs, 'high'),
    {
      ...common,
      run_id: '20260102-bb',
      run_name: 'high',
      status: 'failed',
      error_message: 'the loss is NaN',
      started_at: '2026-01-02T00:00:00Z',
      config: { learning_rate: 1e-2, seed: 1 },
    },
    { 'metrics.jsonl': metrics(4) },
  )
  mkdirSync(join(outputs, 'high/checkpoint-5'), { recursive: true })
  writeFileSync(join(outputs, 'high/checkpoint-5/state'), 'x'.repeat(2048))
  mkdirSync(join(outputs, 'high/checkpoint-15'), { recursive: true })
  writeFileSync(join(outputs, 'high/notes.txt'), 'mine')
})

test('list: newest first, by status, as JSON', () => {
  const { stdout, code } = runs('list', outputs)
  expect(code).toBe(0)
  expect(stdout).toMatch(
    /^run +status +step .*\nhigh +failed +20\/20 .*outputs\/high\nlow +completed +20\/20 .*outputs\/low\n$/,
  )
  expect(parsed('--status', 'completed').runs).toMatchObject([{ run_id: '20260101-aa', best_loss: 1.5 }])
  expect(runs('list', '--status', 'dead')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('there is no "dead"'),
  })
}, 60_000)

test('list: those of other folders only with --all', () => {
  using elsewhere = temporaryFolder()
  const away: Partial<RunRecord> = {
    run_id: '20260103-cc',
    run_name: 'away',
    status: 'completed',
    started_at: '2026-01-03T00:00:00Z',
  }
  writeRunFolder(join(elsewhere.path, 'away'), away, { 'metrics.jsonl': [{ step: 1, loss: 1 }] })
  const names = (...args: readonly string[]): string[] =>
    parsed('list', ...args).runs.map(({ run_name }: { readonly run_name: string }) => run_name)
  expect(names(elsewhere.path)).toEqual(['away'])
  expect(names()).toEqual(['high', 'low'])
  expect(names('--all')).toEqual(['away', 'high', 'low'])
  expect(runs('list', '--all', outputs)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--all and a folder'),
  })
  expect(tritune(['runs'], { cwd: elsewhere.path }).stdout).toContain('away')
}, 60_000)

test('the index is one for Bun and Deno', () => {
  runs('list', outputs)
  const { stdout, code } = tritune(['runs', 'show', 'low', '--json'], { cwd: place.path, runtime: 'deno' })
  expect(code).toBe(0)
  expect(JSON.parse(stdout)).toMatchObject({ type: 'run', run_id: '20260101-aa', best_step: 10 })
}, 60_000)

test('show: by folder, name or id; nothing of a text reaches the terminal as it is', () => {
  runs('list', outputs)
  for (const named of ['low', '20260101', join(outputs, 'low')]) {
    const { stdout } = runs('show', named)
    expect(stdout).toContain('best        1.500 at step 10')
    expect(stdout).toContain('step 3  note: a [31m note')
    expect(stdout).toContain('changed     0.0001 → 0.00005 after step 12\n')
    // Samples push nothing else out.
    expect(stdout.match(/sample: .*/g)).toEqual(['sample: The whale ▸ swims 19'])
    expect(stdout).not.toContain('\u001b')
  }
  expect(parsed('show', 'low').curves.loss.length).toBe(20)
  expect(runs('show', 'lwo').stderr).toContain('did you mean "low"?')
  expect(runs('show', '2026010').stderr).toContain('is the name of 2 runs')
  expect(runs('show', 'outputs').stderr).toContain('this folder is no run')
  expect(runs('show').stderr).toContain('takes one run, got 0 arguments')
  expect(runs('show', 'low', 'high').stderr).toContain('got 2 arguments')
  expect(runs('compare', 'low').stderr).toContain('got 1 argument\n')
}, 60_000)

test('compare: settings that differ, numbers and curves', () => {
  runs('list', outputs)
  const { stdout } = runs('compare', 'low', 'high')
  expect(stdout).toMatch(/learning_rate +0\.0001 +0\.01\n/)
  expect(stdout).not.toContain('seed')
  expect(stdout).toMatch(/rate changed +0\.0001 → 0\.00005 after step 12\n/)
  expect(stdout).toContain('loss, from 0.1000 to 4.000')
  expect(parsed('compare', 'low', 'high').settings).toEqual([{ key: 'learning_rate', values: [1e-4, 1e-2] }])
  expect(runs('compare', 'low').code).toBe(2)
}, 60_000)

test('prune: tells what would go, and removes what runs wrote and nothing else', () => {
  expect(runs('prune', outputs).stderr).toContain('say which runs')
  const told = runs('prune', outputs, '--status', 'failed')
  expect(told.stdout).toMatch(/failed +outputs\/high\nwould remove: 1 run, .*--yes/)
  expect(existsSync(join(outputs, 'high/checkpoint-5'))).toBe(true)
  expect(parsed('prune', outputs, '--checkpoints', '--yes').runs).toMatchObject([
    { run_id: '20260102-bb', bytes: 2048 },
  ])
  // It can be resumed, from the last one.
  expect(readdirSync(join(outputs, 'high')).toSorted()).toEqual([
    'checkpoint-15',
    'metrics.jsonl',
    'notes.txt',
    'run.json',
  ])
  expect(runs('prune', outputs, '--keep', '1', '--yes').stdout).toContain('removed: 1 run')
  expect(existsSync(join(outputs, 'low'))).toBe(false)
  runs('prune', outputs, '--status', 'failed', '--yes')
  expect(readdirSync(join(outputs, 'high'))).toEqual(['notes.txt'])
  expect(runs('list', outputs).stdout).toBe(`there are no runs below ${outputs}\n`)
  expect(runs('list').stdout).toContain('there are no runs below this folder; --all')
  expect(runs('list', '--all').stdout).toBe('no runs are known\n')
}, 60_000)

test('list, prune: of the folders that are named, else of those below here; a name is that of the run below here', () => {
  using other = temporaryFolder()
  const far = (name: string, run_id: string): string =>
    writeRunFolder(join(other.path, name), {
      run_id,
      run_name: 'low',
      status: 'failed',
      started_at: '2026-02-01',
    })
  far('one/low', 'far-1')
  far('two/low', 'far-2')
  // What is not of a run is passed by.
  writeFileSync(join(outputs, 'tritune-linux-x64'), 'a program')
  runs('list', outputs, other.path)
  const ids = (...args: readonly string[]): string[] =>
    parsed(...args).runs.map(({ run_id: id }: { readonly run_id: string }) => id)
  expect(ids('list', '--all')).toHaveLength(4)
  expect(ids('list', outputs)).toEqual(['20260102-bb', '20260101-aa'])
  expect(ids('list', join(other.path, 'two'))).toEqual(['far-2'])
  expect(runs('list', outputs, '--status', 'paused').stdout).toBe(
    `there are no runs that are paused below ${outputs}\n`,
  )
  for (const action of [['list'], ['prune', '--checkpoints']]) {
    expect(runs(...action, 'nope')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('no such folder'),
    })
    expect(runs(...action, join(outputs, 'tritune-linux-x64')).stderr).toContain('this is no folder')
  }

  const failed = ['prune', '--status', 'failed']
  expect(ids(...failed)).toEqual(['20260102-bb'])
  expect(runs(...failed).stdout).toContain(`below ${realpathSync(place.path)}`)
  expect(ids(...failed, other.path)).toEqual(['far-1', 'far-2'])
  expect(ids(...failed, other.path, '--keep', '1')).toEqual(['far-2'])
  expect(ids(...failed, '--all').toSorted()).toEqual(['20260102-bb', 'far-1', 'far-2'])
  expect(runs(...failed, outputs, '--all').code).toBe(2)
  runs(...failed, '--yes')
  expect(existsSync(join(other.path, 'one/low/run.json'))).toBe(true)

  expect(parsed('show', 'low').run_id).toBe('20260101-aa')
  const elsewhere = tritune(['runs', 'show', 'low'], { cwd: other.path })
  expect(elsewhere.stderr).toContain('"low" is the name of 2 runs')
  expect(elsewhere.stderr).toContain('by its folder or id: one/low (far-1), two/low (far-2)')
  far('one/low', 'far-2')
  const copies = tritune(['runs', 'show', 'far-2'], { cwd: other.path })
  expect(copies.stderr).toContain('by its folder: one/low (far-2), two/low (far-2)')
  for (const name of ['one', 'two']) rmSync(join(other.path, name), { recursive: true })
}, 60_000)

test('needlessCheckpoints(): of a run that can be resumed the last one stays, and the best one where it is wanted', () => {
  using folder = temporaryFolder()
  for (const step of [5, 10, 15]) mkdirSync(join(folder.path, `checkpoint-${step}`))
  const needless = (fields: object): string[] =>
    needlessCheckpoints({ folder: folder.path, run: parseRunRecord({ best_step: 5, ...fields }) }).map(
      (path) => basename(path),
    )
  expect(needless({ status: 'completed' })).toEqual(['checkpoint-5', 'checkpoint-10', 'checkpoint-15'])
  for (const status of ['failed', 'cancelled']) {
    expect(needless({ status })).toEqual(['checkpoint-5', 'checkpoint-10'])
    expect(needless({ status, config: { load_best_model_at_end: true } })).toEqual(['checkpoint-10'])
  }
})

test('chosenRuns() never chooses a run that is at work', () => {
  const of = (
    status: string,
    started_at: string,
  ): { folder: string; run: ReturnType<typeof parseRunRecord> } => ({
    folder: status,
    run: parseRunRecord({ status, started_at, pid: process.pid, host: hostname() }),
  })
  const all = ['running', 'paused', 'initializing', 'completed', 'failed'].map((status) =>
    of(status, '2026-01-05'),
  )
  const names = (options: Parameters<typeof chosenRuns>[1]): string[] =>
    chosenRuns(all, options).map(({ folder }) => folder)
  expect(names({ status: [], keep: 0, before: null })).toEqual(['completed', 'failed'])
  // A run that is at work is none of those that are kept.
  expect(names({ status: [], keep: 1, before: null })).toEqual(['failed'])
  expect(names({ status: [], keep: 0, before: new Date('2026-01-04') })).toEqual([])
})

test('differentSettings() and sparkline()', () => {
  expect(
    differentSettings([
      { a: { b: 1, c: 2 }, output_dir: 'x' },
      { a: { b: 1 }, d: [], output_dir: 'y' },
    ]),
  ).toEqual([
    { key: 'a.c', values: [2, undefined] },
    { key: 'd', values: [undefined, []] },
  ])
  expect(sparkline([0, 1, 2, 3, 4, 5, 6, 7], 8)).toBe('▁▂▃▄▅▆▇█')
  expect(sparkline([5, 5], 8)).toBe('▁▁')
})

test('a run in another process is paused, changed, resumed and stopped, and answers', async () => {
  writeTinyModel(join(place.path, 'model'))
  writeFileSync(join(place.path, 'data.jsonl'), countingTexts(12))
  writeFileSync(
    join(place.path, 'my.yaml'),
    'base_model: ./model\nadapter: lora\nlora_r: 4\nlora_target_linear: true\ndatasets:\n  - path: data.jsonl\n    type: completion\nsequence_len: 64\nmax_steps: 100000\nlearning_rate: 1e-3\nthreads: 1\nsave_strategy: "no"\noutput_dir: ./outputs/long\n',
  )
  const child = Bun.spawn(commandLine('bun', ['finetune', 'my.yaml']), {
    cwd: place.path,
    stdout: 'ignore',
    stderr: 'pipe',
    env: process.env,
  })
  const folder = join(outputs, 'long')
  while (!existsSync(join(folder, 'run.json')) || readRun(folder).current_step < 1) {
    if (child.exitCode !== null) throw new Error(await new Response(child.stderr).text())
    await Bun.sleep(20)
  }
  expect(runs('pause', 'long', '--wait', '30').stdout).toMatch(/^long: pause after step \d+\n$/)
  expect(readRun(folder).status).toBe('paused')
  const steps = readRunLines(folder, 'metrics').length
  expect(runs('pause', 'long').stderr).toContain('long refused: the run is paused already')
  expect(parsed('set-learning-rate', 'long', '5e-4')).toMatchObject({
    type: 'answer',
    ok: true,
    value: 5e-4,
    before: 1e-3,
  })
  expect(runs('prune', outputs, '--keep', '0').stdout).not.toContain('long')
  expect(readRunLines(folder, 'metrics').length).toBe(steps)
  expect(runs('resume', 'long').code).toBe(0)
  expect(runs('stop', 'long').code).toBe(0)
  expect(await child.exited).toBe(0)
  expect(readRun(folder)).toMatchObject({
    status: 'cancelled',
    command: expect.stringContaining('finetune my.yaml'),
  })
  expect(runs('stop', 'long')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('the run is at its end (cancelled)'),
  })
  expect(runs('show', 'long').stdout).toContain('done: set learning rate 0.0005 (before: 0.001)')
}, 60_000)
