/**
 * Makes a clean clone usable: installs the packages of package.json when they are missing or older than the lockfile.
 *
 * Scripts call `await ensureInstalled()` first and import whatever needs packages afterwards, with `await import()`.
 * So this file imports nothing from node_modules, directly or not.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { TrituneError } from '../core/errors.ts'
import { isCheckout } from '../core/invocation.ts'
import { describeHolder, withLock } from '../core/files/lock.ts'
import { startAgain } from './terminal/start-again.ts'

/** The folder of the repository, with a slash at its end. */
export const ROOT: string = fileURLToPath(new URL('../', import.meta.url))

/** Written after an installation that went through: SHA-256 of package.json and bun.lock. */
const STAMP = `${ROOT}node_modules/.tritune-installed`

/** True when node_modules is what bun.lock says; an installed package has what it needs. */
export function isInstalled(): boolean {
  return !isCheckout() || (existsSync(STAMP) && readFileSync(STAMP, 'utf8') === fingerprint())
}

/**
 * Installs packages if needed, then starts the command again; prints to stderr, and only when there is something to do.
 * Throws E_HUB when that fails.
 * An installed package has what it needs from whoever installed it: nothing is done there.
 * Deno does not see packages that come after its start, so under Deno (and Node) missing ones are an E_USAGE.
 */
export async function ensureInstalled(): Promise<void> {
  if (isInstalled()) return
  if (!('Bun' in globalThis)) return refuse()
  await withLock(`${ROOT}.install.lock`, async () => install(), {
    remove: true,
    onWait: (holder) => console.error(`waiting: ${describeHolder(holder)} installs packages`),
  })
  // This process has looked for packages and remembers where there were none: with a folder of packages further up it
  // would look there only.
  await startAgain(process.execPath, [...process.execArgv, ...process.argv.slice(1)])
}

/** Two first commands at once install one after the other; the second one finds it done. */
function install(): void {
  if (isInstalled()) return
  console.error('installing packages (once) …')
  const command = ['install', '--frozen-lockfile']
  const { status, error, stdout, stderr } = spawnSync(process.execPath, command, {
    cwd: ROOT,
    encoding: 'utf8',
  })
  if (error || status !== 0) {
    const reason = error?.message ?? `${stdout}${stderr}`.trim().split('\n').slice(-5).join('\n')
    throw new TrituneError('E_HUB', `packages could not be installed: ${reason}`, {
      place: ROOT,
      remedy: 'a package registry must be reachable the first time; then run the command again',
    })
  }
  writeFileSync(STAMP, fingerprint())
}

function refuse(): void {
  if (!('Deno' in globalThis)) {
    throw new TrituneError('E_USAGE', 'tritune runs on Bun or Deno, not on Node', {
      remedy: 'npx --yes --allow-scripts=bun bun@1.4.5 run <script>',
    })
  }
  if (!existsSync(`${ROOT}node_modules/valibot`)) {
    throw new TrituneError('E_USAGE', 'packages are not installed', {
      place: ROOT,
      remedy: 'run `deno install --no-lock --prod` (or `bun install`) first',
    })
  }
}

function fingerprint(): string {
  const hash = createHash('sha256')
  for (const file of ['package.json', 'bun.lock']) hash.update(readFileSync(ROOT + file)).update('\0')
  return hash.digest('hex')
}
