/**
 * Starts a program and waits; when it fails, everything it printed is the error.
 */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { TrituneError } from '../../core/errors.ts'

export interface RunOptions {
  readonly cwd: string
  readonly env?: Readonly<Record<string, string | undefined>>
  /** The exit code that is right; default 0. */
  readonly expect?: number
}

/** Both streams together. Throws E_DATA when the exit code is another one. */
export async function run(
  [program, ...args]: readonly string[],
  { cwd, env = process.env, expect = 0 }: RunOptions,
): Promise<string> {
  const child = spawn(program, args, { cwd, env: { ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  let text = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
    })
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  if (code === expect) return text
  throw new TrituneError(
    'E_DATA',
    `${[program, ...args].join(' ')} ended with ${code}, not ${expect}:\n${text.trim()}`,
    {
      place: cwd,
    },
  )
}

/** The first folder of the PATH that has a program; empty where none has. */
export function folderOfProgram(name: string): string {
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  return folders.find((folder) => folder !== '' && existsSync(join(folder, name))) ?? ''
}
