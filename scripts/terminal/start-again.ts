/**
 * Runs a command in a new process, with the terminal of this one, and ends as that one does.
 */
import { spawn } from 'node:child_process'
import { constants } from 'node:os'

/** Never returns. Signals that this process gets are passed on; on Windows the console gives them to both. */
export async function startAgain(executable: string, args: readonly string[]): Promise<never> {
  const child = spawn(executable, args, { stdio: 'inherit' })
  for (const signal of PASSED) process.on(signal, () => void (isWindows || child.kill(signal)))
  const code = await new Promise<number>((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (exit, signal) => resolve(exit ?? 128 + (signal ? constants.signals[signal] : 0)))
  })
  process.exit(code)
}

// There a kill of any kind ends the child at once, and SIGTERM does not exist.
const isWindows = process.platform === 'win32'
const PASSED: readonly NodeJS.Signals[] = isWindows ? ['SIGINT', 'SIGHUP'] : ['SIGINT', 'SIGTERM', 'SIGHUP']
