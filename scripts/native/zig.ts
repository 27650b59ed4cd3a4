/**
 * The cross compiler: zig, as `ZIG`, as `zig` on the PATH, or as the Python package `ziglang`.
 */
import { isCommand, run } from './process.ts'

let found: readonly string[] | undefined

/** The command before `c++`. Throws with what to install. */
export async function zigCommand(): Promise<readonly string[]> {
  found ??= await findZig()
  return found
}

async function findZig(): Promise<readonly string[]> {
  if (process.env.ZIG) return process.env.ZIG.split(' ')
  if (isCommand('zig')) return ['zig']
  for (const python of ['python3', 'python']) {
    if (!isCommand(python)) continue
    const command = [python, '-m', 'ziglang']
    try {
      await run([...command, 'version'])
      return command
    } catch {
      // The next one.
    }
  }
  throw new Error('there is no zig: pip install ziglang==0.17.1, or set ZIG')
}
