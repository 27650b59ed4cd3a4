/**
 * The terminal monitor on a terminal that is none: keys ask the run that is shown, what is new is drawn, and the terminal is given back.
 */
import { afterEach, beforeEach, expect, test } from 'bun:test'
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { openTerminalMonitor, type TerminalMonitor } from '../../../../plugins/monitor/mod.ts'
import { listenToKeys } from '../../../../scripts/monitor/listen-to-keys.ts'
import { temporaryFolder } from '../../../_golden.ts'
import { until } from '../_client.ts'
import { writeRunFolder } from '../../runs/_folder.ts'

let folder: ReturnType<typeof temporaryFolder>
let monitor: TerminalMonitor
let input: PassThrough
let written: string
let raw: boolean[]

const going = (): string => join(folder.path, 'going')
const asked = (): object[] =>
  existsSync(join(going(), 'control.jsonl'))
    ? readFileSync(join(going(), 'control.jsonl'), 'utf8')
        .split('\n')
        .filter((line) => line !== '')
        .map((line): object => JSON.parse(line))
    : []

beforeEach(() => {
  folder = temporaryFolder()
  const run = {
    run_name: 'going',
    status: 'running',
    current_step: 2,
    total_steps: 9,
    learning_rate: 3e-7,
    config: { learning_rate: 1e-3 },
  } as const
  writeRunFolder(
    going(),
    { ...run, started_at: '2026-02-02' },
    { 'metrics.jsonl': [{ step: 1, loss: 4.125 }] },
  )
  writeRunFolder(join(folder.path, 'done'), {
    run_name: 'done',
    status: 'completed',
    started_at: '2026-01-01',
  })
  input = new PassThrough()
  written = ''
  raw = []
  monitor = openTerminalMonitor({
    roots: [folder.path],
    terminal: {
      listen: (listener) =>
        listenToKeys(Object.assign(input, { setRawMode: (on: boolean) => raw.push(on) }), listener),
      colour: false,
      write: (text) => void (written += text),
      size: () => ({ columns: 80, rows: 24 }),
      onResize: () => ({ [Symbol.dispose]() {} }),
    },
  })
})

afterEach(() => {
  monitor[Symbol.dispose]()
  folder[Symbol.dispose]()
})

/** What stands on the terminal. */
const screen = (): string => written.slice(written.lastIndexOf('\u001b[H'))

async function type(keys: string): Promise<void> {
  for (const key of keys) {
    input.write(key)
    await sleep(1)
  }
}

test('shows the newest run, and what it writes meanwhile', async () => {
  expect(screen()).toContain('going')
  expect(screen()).toContain('4.1250')
  appendFileSync(join(going(), 'metrics.jsonl'), `${JSON.stringify({ step: 2, loss: 3.5 })}\n`)
  for (let i = 0; i < 100 && !screen().includes('3.5000'); i++) await sleep(20)
  expect(screen()).toContain('3.5000')
})

test('keys ask for pause, save, another learning rate', async () => {
  await type('ps')
  expect(screen()).toContain('asked: save')
  await type('l')
  expect(screen()).toContain('learning rate: 0.001_')
  await type('\u007f'.repeat(5))
  await type('2e-4')
  expect(screen()).toContain('learning rate: 2e-4_')
  await type('\r')
  expect(asked()).toMatchObject([
    { action: 'pause' },
    { action: 'save' },
    { action: 'set_learning_rate', value: 2e-4 },
  ])
})

test('the learning rate is offered as the schedule takes it, and the first character takes its place', async () => {
  await type('l')
  expect(screen()).toContain('learning rate: 0.001_')
  await type('1e-4\rl\r')
  expect(asked()).toMatchObject([{ value: 1e-4 }, { value: 1e-3 }])
})

test.each(['abc', '1e-4x', '0x10', '-1', ' '])('%j is no learning rate, and said so', async (text) => {
  await type(`l${text}`)
  expect(screen()).toContain(`learning rate: ${text}_`)
  await type('\r')
  expect(screen()).toContain(`expected a number above 0 and at most 1000, got "${text}"`)
  expect(asked()).toEqual([])
})

test('a learning rate that is none is refused before the run is asked', async () => {
  await type(`l${'\u007f'.repeat(5)}-1\r`)
  expect(screen()).toContain('expected a number above 0')
  expect(asked()).toEqual([])
})

const answer = (fields: object): void =>
  appendFileSync(
    join(going(), 'events.jsonl'),
    asked()
      .slice(-1)
      .map((request) => `${JSON.stringify({ step: 2, type: 'control', ...request, ...fields })}\n`)
      .join(''),
  )

test('what was asked is told until the run has answered; a refusal is told then', async () => {
  await type('s')
  expect(screen()).toContain('asked: save; the run answers')
  answer({ ok: true })
  await until(() => screen().includes('done: save'))
  expect(screen()).not.toContain('asked:')
  expect(screen()).toContain('q leave')
  await type('p')
  answer({ ok: false, reason: 'it is stopping' })
  await until(() => screen().includes(' refused: pause: it is stopping   '))
  expect(screen()).not.toContain('asked:')
  await type('s')
  writeRunFolder(going(), { run_name: 'going', status: 'failed', started_at: '2026-02-02' })
  await until(() => screen().includes('the run is failed, and did not answer'))
})

const newer = (started_at: string, run_name: string): string =>
  writeRunFolder(join(folder.path, run_name), { run_name, status: 'running', started_at })

test('a run that begins while another goes is told of, and shown by n', async () => {
  newer('2026-03-03', 'later')
  await until(() => screen().includes('n shows the newer run later'))
  expect(screen()).toContain('running  going')
  await type('n')
  expect(screen()).toContain('running  later')
  expect(screen()).not.toContain('newer run')
  await type(']')
  expect(screen()).toContain('running  going')
  expect(screen()).not.toContain('newer run')
})

test('when the run that is shown is over, the newer one is shown, but not in the middle of an answer', async () => {
  await type('x')
  writeRunFolder(going(), { run_name: 'going', status: 'completed', started_at: '2026-02-02' })
  newer('2026-03-03', 'later')
  await until(() => screen().includes('newer run later'))
  expect(screen()).toContain('completed  going')
  await type('n')
  await until(() => screen().includes('running  later'))
})

test('a run that somebody chose stays, over or not', async () => {
  await type(']')
  newer('2026-03-03', 'later')
  await until(() => screen().includes('n shows the newer run later'))
  expect(screen()).toContain('completed  done')
})

test('a run is stopped by x and y alone', async () => {
  await type('xn')
  expect(asked()).toEqual([])
  await type('xy')
  expect(asked()).toMatchObject([{ action: 'stop' }])
})

test('another run is shown; one at its end cannot be asked', async () => {
  await type(']')
  expect(screen()).toContain('completed  done')
  await type('p')
  expect(screen()).toContain('the run is at its end')
  await type('[')
  expect(screen()).toContain('running  going')
})

test.each(['q', '\u0003'])('%j leaves, and the terminal is as it was', async (key) => {
  await type(key)
  await monitor.left
  monitor[Symbol.dispose]()
  expect(written.startsWith('\u001b[?1049h')).toBe(true)
  expect(written.endsWith('\u001b[?25h\u001b[?1049l')).toBe(true)
  expect(raw).toEqual([true, false])
  expect(input.listenerCount('keypress')).toBe(0)
  expect(asked()).toEqual([])
})
