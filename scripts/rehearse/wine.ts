/**
 * Programs of Windows on Linux, under Wine: started, waited for, and what they printed. Their streams are files, because Node for Windows cannot
 * write to the pipes that Wine gives it.
 */
import { spawn, spawnSync } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { TrituneError } from '../../core/errors.ts'

export interface Wine {
  /** Exit code, and both streams together. */
  run(command: readonly string[], options?: WineOptions): Promise<{ code: number | null; text: string }>
  /** A path of this machine as programs of Windows see it. */
  path(path: string): string
}

export interface WineOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
}

/** Makes a new Windows 10 in a folder. Throws E_USAGE where Wine is not installed. */
export function createWine(folder: string): Wine {
  // Without what says that a package manager of this machine started it.
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith('npm_'))
  const environment = { ...Object.fromEntries(own), WINEPREFIX: join(folder, 'windows'), WINEDEBUG: '-all' }
  const { error, status } = spawnSync('wine', ['winecfg', '-v', 'win10'], {
    env: environment,
    stdio: 'ignore',
  })
  if (error || status !== 0)
    throw new TrituneError('E_USAGE', `Wine does not start: ${error?.message ?? `exit code ${status}`}`, {
      remedy: 'apt-get install wine (64 bits are enough)',
    })
  let count = 0
  return {
    path: (path) => `Z:${path.replaceAll('/', '\\')}`,
    async run(command, { cwd = folder, env = {} } = {}) {
      const file = join(folder, `said-${count++}.txt`)
      const said = openSync(file, 'w')
      const child = spawn('wine', command, {
        cwd,
        env: { ...environment, ...env },
        stdio: ['ignore', said, said],
      })
      closeSync(said)
      const code = await new Promise<number | null>((resolve, reject) => {
        child.once('error', reject)
        child.once('close', resolve)
      })
      return { code, text: readFileSync(file, 'utf8') }
    },
  }
}
