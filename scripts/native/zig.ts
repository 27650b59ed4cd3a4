/**
 * zig as a C and C++ compiler for other systems: it carries their C libraries' headers, so that nothing of theirs is needed.
 */
import { isCommand, run } from './process.ts'

export const ZIG_VERSION = '0.17.1'

let found: readonly string[] | undefined

/** The command that starts zig: $ZIG, `zig`, or the PyPI package `ziglang`. Throws with how to install it. */
export async function zig(): Promise<readonly string[]> {
  found ??= await findZig()
  return found
}

/** "zig 0.17.1", for what a library says of its compiler. */
export async function zigVersion(): Promise<string> {
  return `zig ${(await run([...(await zig()), 'version'])).out.trim()}`
}

async function findZig(): Promise<readonly string[]> {
  const candidates = [process.env['ZIG']?.split(' '), ['zig'], ['python3', '-m', 'ziglang']]
  for (const command of candidates) {
    if (!command || !isCommand(command[0])) continue
    const version = await run([...command, 'version']).catch(() => undefined)
    if (version) return command
  }
  throw new Error(
    `libraries for other systems are compiled by zig, and there is none: pip install ziglang==${ZIG_VERSION}, or set ZIG to its path`,
  )
}
