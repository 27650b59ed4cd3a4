/**
 * Runs the compilers: commands of the two native builds, in the root of the repository, with what they print.
 */
import { fileURLToPath } from 'node:url'

/** The folder of the repository, without a slash at its end. */
export const ROOT: string = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '')

export interface Ran {
  readonly out: string
  readonly err: string
  /** Of the processor, with those of all processes it started. */
  readonly seconds: number
}

/** Throws with everything the command printed when it fails. */
export async function run(command: readonly string[]): Promise<Ran> {
  const child = Bun.spawn([...command], { cwd: ROOT, stdin: 'ignore', stdout: 'pipe', stderr: 'pipe' })
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ])
  if (code !== 0) throw new Error(`${err}${command[0]} failed on ${command.at(-1)}`)
  return { out, err, seconds: Number(child.resourceUsage()?.cpuTime.total ?? 0) / 1e6 }
}

/** True when a command can be started at all. */
export function isCommand(name: string): boolean {
  return Bun.which(name) !== null
}
