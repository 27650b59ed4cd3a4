/**
 * What a run answers to control.jsonl, and that another learning rate is part of its state.
 */
import { expect, test } from 'bun:test'
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { RunEvent } from '../../../core/mod.ts'
import type { ErrorCode } from '../../../core/errors.ts'
import { listCheckpoints, type TrainOptions } from '../../../plugins/finetune/mod.ts'
import { type Control, readRun, readRunLines, sendControl, watchRun } from '../../../plugins/runs/mod.ts'
import { fileBytes, metricsOf, workspace } from '../finetune/_run.ts'
import { writeRunFolder } from './_folder.ts'
import { temporaryFolder } from '../../_golden.ts'

/** Asks after the steps that are named, as another process would. */
function asking(
  folder: string,
  after: Readonly<Record<number, readonly Control[]>>,
): (event: RunEvent) => void {
  return (event) => {
    if (event.type !== 'step') return
    for (const control of after[event.report.step] ?? []) sendControl(folder, control)
  }
}

function controls(folder: string): unknown[] {
  return readRunLines(folder, 'events')
    .filter(({ type }) => type === 'control')
    .map(({ time: _time, id: _id, type: _type, ...rest }) => rest)
}

const codeOf = (work: () => unknown): ErrorCode | undefined => {
  try {
    work()
  } catch (error) {
    return Object(error).code
  }
  return undefined
}

test('save and stop: a checkpoint of that step, a cancelled run that resumes to the end', async () => {
  using space = workspace()
  const out = join(space.path, 'out')
  const { result, outputDir } = await space.train(
    {},
    { onEvent: asking(out, { 2: [{ action: 'save' }], 3: [{ action: 'stop' }] }) },
  )
  expect(result).toMatchObject({ steps: 3, stopped: true })
  expect(listCheckpoints(out).map(({ step }) => step)).toEqual([2, 3])
  expect(controls(out)).toEqual([
    { step: 2, action: 'save', ok: true },
    { step: 3, action: 'stop', ok: true },
  ])
  const stopped = readRun(outputDir)
  expect(stopped).toMatchObject({ status: 'cancelled', current_step: 3, total_steps: 6 })
  expect(stopped.checkpoints.map(({ path }) => path)).toEqual(['checkpoint-2', 'checkpoint-3'])
  await space.train({}, { resume: 'newest' })
  const ended = readRun(outputDir)
  expect(ended).toMatchObject({ status: 'completed', current_step: 6, run_id: stopped.run_id })
  expect(ended.started_at).toBe(stopped.started_at)
  expect(ended.total_tokens_trained).toBe(
    readRunLines(out, 'metrics').reduce((sum, { tokens }) => sum + (tokens ?? 0), 0),
  )
})

test('pause: nothing is trained until it is to go on, and the result is that of a run without a pause', async () => {
  using whole = workspace()
  await whole.train()
  using space = workspace()
  const out = join(space.path, 'out')
  const seen: string[] = []
  let steps = 0
  await space.train(
    {},
    {
      onEvent(event) {
        if (event.type === 'step') steps = event.report.step
        if (event.type === 'step' && steps === 2) sendControl(out, { action: 'pause' })
        if (event.type !== 'control') return
        seen.push(`${event.action} after ${event.step}`)
        if (event.action !== 'pause') return
        setTimeout(() => {
          seen.push(`${readRun(out).status} after ${steps}`)
          sendControl(out, { action: 'resume' })
        }, 250)
      },
    },
  )
  expect(seen).toEqual(['pause after 2', 'paused after 2', 'resume after 2'])
  expect(fileBytes(out, 'adapter_model.safetensors')).toEqual(
    fileBytes(whole.path, 'out', 'adapter_model.safetensors'),
  )
  expect(metricsOf(out)).toEqual(metricsOf(join(whole.path, 'out')))
})

test('another learning rate: the schedule goes on below it, and a resumed run goes on to the same bits', async () => {
  const asked = { 2: [{ action: 'set_learning_rate', value: 1e-3 }] } satisfies Record<number, Control[]>
  const changes = { lr_scheduler: 'linear', warmup_steps: 0, save_strategy: undefined, save_steps: 2 }
  using whole = workspace()
  const end = join(whole.path, 'out')
  const options = (folder: string): TrainOptions => ({ onEvent: asking(folder, asked) })
  await whole.train(changes, options(end))
  const rates = readRunLines(end, 'metrics').map(({ learning_rate: rate }) => rate ?? 0)
  expect(rates.map((rate, i) => rate / (1 - i / 6))).toEqual(
    [5e-3, 5e-3, 1e-3, 1e-3, 1e-3, 1e-3].map((x) => expect.closeTo(x, 9)),
  )
  expect(readRun(end)).toMatchObject({
    base_learning_rate: 1e-3,
    learning_rate_changes: [{ step: 2, from: 5e-3, to: 1e-3 }],
  })
  expect(controls(end)).toEqual([
    { step: 2, action: 'set_learning_rate', ok: true, value: 1e-3, before: 5e-3 },
  ])

  // Killed in step 4; the newest checkpoint is that of step 2, which was there before the rate was changed.
  using space = workspace()
  const out = join(space.path, 'out')
  const killed = space.train(changes, {
    onEvent(event) {
      asking(out, asked)(event)
      if (event.type === 'step' && event.report.step === 3) throw new Error('killed')
    },
  })
  expect(await killed.catch((error: unknown) => String(error))).toContain('killed')
  await space.train(changes, { resume: 'newest' })
  expect(fileBytes(out, 'adapter_model.safetensors')).toEqual(fileBytes(end, 'adapter_model.safetensors'))
  expect(readRun(out)).toMatchObject({
    base_learning_rate: 1e-3,
    learning_rate_changes: [{ step: 2, from: 5e-3, to: 1e-3 }],
  })
})

test('what cannot be done is answered with its reason, and the run goes on', async () => {
  using space = workspace()
  const out = join(space.path, 'out')
  const before = { id: 'old', time: '', action: 'stop' }
  const lines = (...all: readonly object[]): string => all.map((line) => `${JSON.stringify(line)}\n`).join('')
  // Lines of before the run do not count, nor ones that are no requests.
  mkdirSync(out)
  writeFileSync(join(out, 'control.jsonl'), lines(before))
  const { result } = await space.train(
    {},
    {
      onEvent(event) {
        if (event.type !== 'step' || event.report.step !== 2) return
        appendFileSync(
          join(out, 'control.jsonl'),
          `${lines(
            { id: 'a', action: 'fly' },
            { id: 'b', action: 'set_learning_rate', value: 'much' },
            { id: 'c', action: 'set_learning_rate', value: -1 },
            { id: 'd', action: 'resume' },
            { action: 'stop' },
            [1, 2],
          )}not json\n{"id": "half`,
        )
      },
    },
  )
  expect(result).toMatchObject({ steps: 6, stopped: false })
  const answers = readRunLines(out, 'events').filter(({ type }) => type === 'control')
  expect(answers.map(({ id, ok }) => [id, ok])).toEqual(['a', 'b', 'c', 'd'].map((id) => [id, false]))
  expect(answers.map(({ reason }) => reason)).toEqual([
    expect.stringContaining('no action "fly"'),
    expect.stringContaining('got "much"'),
    expect.stringContaining('got -1'),
    'the run is not paused',
  ])
})

test('two who watch one run are both answered, in the order in which they asked', async () => {
  using space = workspace()
  const out = join(space.path, 'out')
  const ids: string[] = []
  const seen = [0, 0]
  await space.train(
    {},
    {
      onEvent(event) {
        if (event.type !== 'step' || event.report.step !== 2) return
        for (const i of [0, 1]) {
          const id = sendControl(out, { action: 'pause' })
          ids.push(id)
          const watch = watchRun(
            out,
            ({ events }) => {
              if (!events.some((line) => line['id'] === id)) return
              seen[i] += 1
              watch[Symbol.dispose]()
              if (seen[0] + seen[1] === 2) sendControl(out, { action: 'resume' })
            },
            { everyMs: 10 },
          )
        }
      },
    },
  )
  expect(seen).toEqual([1, 1])
  const answers = readRunLines(out, 'events').filter(({ type }) => type === 'control')
  expect(answers.map(({ id, ok }) => [ids.indexOf(String(id)), ok])).toEqual([
    [0, true],
    [1, false],
    [-1, true],
  ])
})

test('sendControl() refuses what cannot be asked before anything is written', () => {
  using folder = temporaryFolder()
  writeRunFolder(folder.path, { status: 'completed' })
  expect(codeOf(() => sendControl(folder.path, { action: 'pause' }))).toBe('E_BUSY')
  for (const value of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 1e9])
    expect(codeOf(() => sendControl(folder.path, { action: 'set_learning_rate', value }))).toBe('E_USAGE')
  expect(codeOf(() => sendControl(join(folder.path, 'nowhere'), { action: 'stop' }))).toBe('E_FILE')
  expect(codeOf(() => readRunLines(folder.path, 'events'))).toBeUndefined()
})
