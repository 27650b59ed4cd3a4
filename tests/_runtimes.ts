/**
 * The runtimes that are on this machine, for tests that start processes. Node is taken from TRITUNE_NODE (paths, with the separator of PATH between
 * them); else the one on the PATH if it is new enough. Node is given JavaScript, as in the package: Node 22 knows no `using`.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter } from 'node:path'
import { denoCommand } from '../scripts/_deno.ts'

export interface TestRuntime {
  readonly name: string
  readonly command: readonly string[]
  readonly needsBundle: boolean
}

export const TEST_RUNTIMES: readonly TestRuntime[] = [
  { name: 'Bun', command: [process.execPath], needsBundle: false },
  { name: 'Deno', command: [...denoCommand(), 'run', '-A', '--no-check'], needsBundle: false },
  ...nodes().map(({ path, version }) => ({ name: `Node ${version}`, command: [path], needsBundle: true })),
]

function nodes(): { path: string; version: string }[] {
  const named = (process.env['TRITUNE_NODE'] ?? '').split(delimiter).filter((path) => existsSync(path))
  return (named.length > 0 ? named : ['node'])
    .map((path) => {
      const { stdout } = spawnSync(path, ['--version'], { encoding: 'utf8' })
      return { path, version: (stdout ?? '').trim().replace('v', '') }
    })
    .filter(({ version }) => Number(version.split('.')[0]) >= 22)
}
