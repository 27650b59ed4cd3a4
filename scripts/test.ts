/**
 * `bun run test [filter…]`: installs packages if need be, runs the tests under Bun and the smoke test under Deno.
 *
 * The last line of stdout is `N passed, N failed`, the sum of both; the exit code is 1 when something failed, a run
 * that crashed included. With a filter only `bun test` runs.
 */
import { availableParallelism } from 'node:os'
import { denoCommand } from './_deno.ts'
import { ensureInstalled, ROOT } from './_setup.ts'

/** Milliseconds for a test that names no limit: a hang ends, a slow or busy machine is no fault. */
const TIME_LIMIT = 120_000

/** Processes that share the files of tests. Most tests are one thread of TypeScript; each process takes up to 2 GB. */
const WORKERS = Math.min(4, availableParallelism())

const PARALLEL = WORKERS > 1 ? [`--parallel=${WORKERS}`, '--no-isolate'] : []

export interface Tally {
  readonly passed: number
  readonly failed: number
}

/** Reads the summary at the end of `bun test`. A run without one, or that failed without saying what, is one failure. */
export function tallyBun(output: string, exitCode: number): Tally {
  const plain = Bun.stripANSI(output)
  const count = (word: string): number =>
    Number(
      plain
        .match(new RegExp(`^ *(\\d+) ${word}$`, 'gm'))
        ?.at(-1)
        ?.trim()
        .split(' ')[0] ?? 0,
    )
  const failed = count('fail') + count('errors?')
  return { passed: count('pass'), failed: exitCode !== 0 && failed === 0 ? 1 : failed }
}

/** Reads the `N passed, N failed` line of a script; without one the script counts as one failure. */
export function tallyScript(output: string, exitCode: number): Tally {
  const found = [...output.matchAll(/(\d+) passed, (\d+) failed$/gm)].at(-1)
  if (!found) return { passed: 0, failed: 1 }
  const failed = Number(found[2])
  return { passed: Number(found[1]), failed: exitCode !== 0 && failed === 0 ? 1 : failed }
}

async function stream(command: readonly string[]): Promise<{ output: string; exitCode: number }> {
  const child = Bun.spawn([...command], {
    cwd: ROOT,
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
    env: {
      ...process.env,
      DENO_NO_UPDATE_CHECK: '1',
      DENO_DIR: process.env.DENO_DIR ?? `${ROOT}node_modules/.cache/deno`,
    },
  })
  const chunks: string[] = []
  const pass = async (from: ReadableStream<Uint8Array>, to: NodeJS.WriteStream): Promise<void> => {
    const decoder = new TextDecoder()
    for await (const chunk of from) {
      to.write(chunk)
      chunks.push(decoder.decode(chunk, { stream: true }))
    }
  }
  const [exitCode] = await Promise.all([
    child.exited,
    pass(child.stdout, process.stdout),
    pass(child.stderr, process.stderr),
  ])
  return { output: chunks.join(''), exitCode }
}

async function main(filters: readonly string[]): Promise<number> {
  await ensureInstalled()
  const options = ['--timeout', String(TIME_LIMIT), ...(filters.length === 0 ? PARALLEL : [])]
  const bun = await stream([process.execPath, 'test', ...options, ...filters])
  const tallies = [tallyBun(bun.output, bun.exitCode)]
  if (filters.length === 0) {
    console.log('\nsmoke test under Deno:')
    const permissions = [
      '--allow-ffi',
      '--allow-read',
      '--allow-write',
      '--allow-env',
      '--allow-sys',
      '--no-prompt',
    ]
    const deno = await stream([...denoCommand(), 'run', '--no-lock', ...permissions, 'tests/smoke.deno.ts'])
    tallies.push(tallyScript(deno.output, deno.exitCode))
  }
  const passed = tallies.reduce((sum, tally) => sum + tally.passed, 0)
  const failed = tallies.reduce((sum, tally) => sum + tally.failed, 0)
  console.log(`${passed} passed, ${failed} failed`)
  return failed === 0 ? 0 : 1
}

if (import.meta.main) {
  try {
    process.exitCode = await main(process.argv.slice(2))
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    console.log('0 passed, 1 failed')
    process.exitCode = 1
  }
}
