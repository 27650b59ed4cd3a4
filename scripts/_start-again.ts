/**
 * Runs a command in a new process, with the terminal of this one, and ends as that one does.
 */
import { spawn } from 'node:child_process'
import { constants } from 'node:os'

/** Never returns. Signals that this process gets are passed on. */
export async function startAgain(executable: string, args: readonly string[]): Promise<never> {
  const child = spawn(executable, args, { stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal))
  const code = await new Promise<number>((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (exit, signal) => resolve(exit ?? 128 + (signal ? constants.signals[signal] : 0)))
  })
  process.exit(code)
}
