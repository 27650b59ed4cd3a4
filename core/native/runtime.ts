/**
 * Which runtime this is, and whether it is new enough. Imports as little as possible: it has to run where nothing else does.
 */
import { TrituneError } from '../errors.ts'

export type Runtime = 'bun' | 'deno' | 'node'

/** The oldest versions that tritune runs on; package.json says the same under `engines`. */
export const OLDEST: Readonly<Record<Runtime, string>> = { bun: '1.4', deno: '2.9', node: '22' }

const NAMES: Readonly<Record<Runtime, string>> = { bun: 'Bun', deno: 'Deno', node: 'Node' }

/** Deno and Bun name a Node version too, so they are asked first. */
export function runtimeOf(versions: Readonly<Record<string, string | undefined>>): Runtime {
  if (versions['bun'] !== undefined) return 'bun'
  return versions['deno'] === undefined ? 'node' : 'deno'
}

/** The runtime of this process. Throws E_LIBRARY when it is too old, with what to run instead. */
export function expectRuntime(
  versions: Readonly<Record<string, string | undefined>> = process.versions,
): Runtime {
  const runtime = runtimeOf(versions)
  const version = versions[runtime] ?? '0'
  if (isAtLeast(version, OLDEST[runtime])) return runtime
  throw new TrituneError('E_LIBRARY', `${NAMES[runtime]} ${version} is too old for tritune`, {
    remedy: `it needs Bun ≥ ${OLDEST.bun}, Deno ≥ ${OLDEST.deno} or Node ≥ ${OLDEST.node}: npm install -g bun`,
  })
}

function isAtLeast(version: string, oldest: string): boolean {
  const have = version.split('.').map((part) => Number.parseInt(part, 10))
  const need = oldest.split('.').map(Number)
  const at = need.findIndex((part, i) => have[i] !== part)
  return at < 0 || (have[at] ?? 0) > need[at]
}
