/**
 * The command `runs` on folders of runs, and on a run that is at work in another process.
 */
import { afterAll, beforeEach, expect, test } from 'bun:test'
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { differentSettings } from '../../scripts/runs/compare.ts'
import { chosenRuns } from '../../scripts/runs/prune.ts'
import { sparkline } from '../../scripts/runs/table.ts'
import { parseRunRecord, readRun, readRunLines } from '../../plugins/runs/mod.ts'
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
    },
    {
      'metrics.jsonl': metrics(2),
      'events.jsonl': [{ time: '2026-01-01T00:00:01Z', step: 3, type: 'note', text: 'a\u001b[31m note' }],
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
}, 30_000)

test('the index is one for Bun and Deno', () => {
  runs('list', outputs)
  const { stdout, code } = tritune(['runs', 'show', 'low', '--json'], { cwd: place.path, runtime: 'deno' })
  expect(code).toBe(0)
  expect(JSON.parse(stdout)).toMatchObject({ type: 'run', run_id: '20260101-aa', best_step: 10 })
}, 30_000)

test('show: by folder, name or id; nothing of a text reaches the terminal as it is', () => {
  runs('list', outputs)
  for (const named of ['low', '20260101', join(outputs, 'low')]) {
    const { stdout } = runs('show', named)
    expect(stdout).toContain('best        1.500 at step 10')
    expect(stdout).toContain('step 3  note: text a [31m note')
    expect(stdout).not.toContain('\u001b')
  }
  expect(parsed('show', 'low').curves.loss.length).toBe(20)
  expect(runs('show', 'lwo').stderr).toContain('did you mean "low"?')
  expect(runs('show', '2026010').stderr).toContain('is the name of 2 runs')
}, 30_000)

test('compare: settings that differ, numbers and curves', () => {
  runs('list', outputs)
  const { stdout } = runs('compare', 'low', 'high')
  expect(stdout).toMatch(/learning_rate +0\.0001 +0\.01\n/)
  expect(stdout).not.toContain('seed')
  expect(stdout).toContain('loss, from 0.1000 to 4.000')
  expect(parsed('compare', 'low', 'high').settings).toEqual([{ key: 'learning_rate', values: [1e-4, 1e-2] }])
  expect(runs('compare', 'low').code).toBe(2)
}, 30_000)

test('prune: tells what would go, and removes what runs wrote and nothing else', () => {
  expect(runs('prune', outputs).stderr).toContain('say which runs')
  const told = runs('prune', outputs, '--status', 'failed')
  expect(told.stdout).toMatch(/failed +outputs\/high\nwould remove: 1 run, .*--yes/)
  expect(existsSync(join(outputs, 'high/checkpoint-5'))).toBe(true)
  expect(parsed('prune', outputs, '--checkpoints', '--yes').runs).toMatchObject([
    { run_id: '20260102-bb', bytes: 2048 },
  ])
  expect(readdirSync(join(outputs, 'high')).toSorted()).toEqual(['metrics.jsonl', 'notes.txt', 'run.json'])
  expect(runs('prune', outputs, '--keep', '1', '--yes').stdout).toContain('removed: 1 run')
  expect(existsSync(join(outputs, 'low'))).toBe(false)
  runs('prune', outputs, '--status', 'failed', '--yes')
  expect(readdirSync(join(outputs, 'high'))).toEqual(['notes.txt'])
  expect(runs('list', outputs).stdout).toContain('no runs are known')
}, 30_000)

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
  expect(names({ status: [], keep: 4, before: null })).toEqual(['failed'])
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
  expect(runs('show', 'long').stdout).toContain('control: action set_learning_rate, ok true')
}, 60_000)
