/**
 * Signals while the main thread is in native code: the first one is kept for the end of the step, the second one ends
 * the process at once.
 */
import { describe, expect, test } from 'bun:test'
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { denoCommand } from '../../../scripts/_deno.ts'
import { stopNames } from '../../../scripts/terminal/stop-signals.ts'

const SCRIPT = fileURLToPath(new URL('_blocked.ts', import.meta.url))

interface Ended {
  readonly code: number | null
  readonly signal: string | null
  readonly output: string
  /** From the first signal on. */
  readonly ms: number
}

/** Starts a step of so long, then sends signals with pauses between. */
async function signalled(
  runtime: readonly string[],
  stepMs: number,
  signals: readonly (NodeJS.Signals | number)[],
): Promise<Ended> {
  const [command, ...args] = [...runtime, SCRIPT, String(stepMs)]
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()))
  await new Promise<void>((resolve) =>
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString()
      if (output.includes('step')) resolve()
    }),
  )
  await Bun.sleep(200)
  const began = performance.now()
  for (const signal of signals) {
    if (typeof signal === 'number') await Bun.sleep(signal)
    else child.kill(signal)
  }
  return await new Promise((resolve) =>
    child.once('close', (code, signal) => resolve({ code, signal, output, ms: performance.now() - began })),
  )
}

const BUN = [process.execPath]
const RUNTIMES = [
  ['Bun', BUN],
  ['Deno', [...denoCommand(), 'run', '--no-lock', '-A']],
] as const

describe.each(RUNTIMES)('%s', (_, runtime) => {
  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)(
    '%s during a step stops after it',
    async (signal, exit) => {
      const { code, output, ms } = await signalled(runtime, 2500, [signal])
      expect(code).toBe(exit)
      expect(output).toContain('saved')
      expect(ms).toBeGreaterThan(1000)
    },
    20_000,
  )

  test.each(['SIGINT', 'SIGTERM'] as const)(
    '%s twice ends it within the step',
    async (name) => {
      const { code, signal, output, ms } = await signalled(runtime, 30_000, [name, 1000, name])
      expect([code, signal]).toEqual([null, name])
      expect(output).toContain('stopping after this step; once more to stop at once')
      expect(output).not.toContain('saved')
      expect(ms).toBeLessThan(15_000)
    },
    40_000,
  )
})

test('one Ctrl-C that arrives twice, as under `bun run`, is one', async () => {
  const { code, output } = await signalled(BUN, 2500, ['SIGINT', 'SIGINT'])
  expect(code).toBe(130)
  expect(output).toContain('saved')
}, 20_000)

test('a terminal that closes may say so twice', async () => {
  const { code, output } = await signalled(BUN, 2500, ['SIGHUP', 600, 'SIGHUP'])
  expect(code).toBe(129)
  expect(output).toContain('saved')
}, 20_000)

test('nohup keeps its meaning', async () => {
  const { code, output } = await signalled(['nohup', ...BUN], 1500, ['SIGHUP'])
  expect(code).toBe(0)
  expect(output).toContain('done')
}, 20_000)

test('only signals that the system has are listened to', () => {
  expect([stopNames('linux'), stopNames('darwin')]).toEqual([
    ['SIGINT', 'SIGTERM'],
    ['SIGINT', 'SIGTERM'],
  ])
  expect(stopNames('win32')).toEqual(['SIGINT', 'SIGBREAK'])
})
