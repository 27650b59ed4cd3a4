/** Runs the command `tritune` of this checkout, in Bun or Deno, and keeps what it said. */
import { join } from 'node:path'
import { denoCommand } from '../../scripts/_deno.ts'
import { ROOT } from '../../scripts/_setup.ts'

export interface Said {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export type TestedRuntime = 'bun' | 'deno'

export const RUNTIMES: readonly TestedRuntime[] = ['bun', 'deno']

export function commandLine(runtime: TestedRuntime, args: readonly string[]): string[] {
  const start = runtime === 'bun' ? [process.execPath] : [...denoCommand(), 'run', '-A']
  return [...start, join(ROOT, 'scripts/tritune.ts'), ...args]
}

export interface RunCommandOptions {
  readonly cwd?: string
  readonly runtime?: TestedRuntime
}

export function tritune(
  args: readonly string[],
  { cwd = ROOT, runtime = 'bun' }: RunCommandOptions = {},
): Said {
  const { exitCode, stdout, stderr } = Bun.spawnSync(commandLine(runtime, args), {
    cwd,
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
    env: { ...process.env, NO_COLOR: '1' },
  })
  return { code: exitCode, stdout: stdout.toString(), stderr: stderr.toString() }
}
