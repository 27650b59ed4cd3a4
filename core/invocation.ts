/**
 * A command of tritune as the person at this terminal would call it: `bun run generate` in a checkout, else `bunx tritune
 * generate`, `npx tritune generate`, `deno run -A npm:tritune generate`, `tritune generate` where that is on the PATH, or the one file that
 * `bun run binary` made.
 *
 * For hints and remedies. It is read from the process (runtime, environment, place of this file) and never stored, so
 * nothing has to be set by whoever starts tritune. It does not look whether the command exists.
 */
import { existsSync, readFileSync } from 'node:fs'
import { basename, delimiter, dirname, join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

/** What the answer depends on. */
export interface InvocationFacts {
  readonly runtime: 'bun' | 'deno' | 'node'
  /** Folder of the package or of the checkout. */
  readonly root: string
  /** Run from the sources, outside of node_modules. */
  readonly isCheckout: boolean
  readonly cwd: string
  readonly env: Readonly<Record<string, string | undefined>>
  /** The executable of the runtime. */
  readonly execPath: string
  exists(path: string): boolean
}

/** `command` with its arguments, if any, as a line to type. */
export function invocation(command: string, facts: InvocationFacts = factsOfProcess()): string {
  return `${facts.isCheckout ? inCheckout(facts) : installed(facts)} ${command}`
}

/** True where tritune runs from its sources, in a clone of the repository. */
export function isCheckout(): boolean {
  return /^file:.*\.ts$/.test(import.meta.url) && !import.meta.url.includes('/node_modules/')
}

/** The version of this tritune, as package.json says it. */
export function packageVersion(): string {
  const { version }: { version: string } = JSON.parse(
    readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
  )
  return version
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function inCheckout({ runtime, root, cwd, execPath }: InvocationFacts): string {
  const near = relative(cwd, root)
  const path = near.length < root.length ? near : root
  const stands = near === '' || near.split(sep).every((part) => part === '..')
  const script = join(path, 'scripts', 'tritune.ts')
  if (runtime === 'deno') return `deno run -A ${script}`
  if (runtime === 'node') return `node ${script}`
  // Without Bun on the PATH, npx brought it.
  const bun = /[\\/]_npx[\\/]/.test(execPath) ? 'npx --yes --allow-scripts=bun bun' : 'bun'
  return stands ? `${bun} run` : `${bun} ${script}`
}

/** How each package manager runs the command of a package; its name stands in npm_config_user_agent. */
const RUNNERS: Readonly<Record<string, string>> = {
  bun: 'bunx tritune',
  npm: 'npx tritune',
  pnpm: 'pnpm exec tritune',
  yarn: 'yarn tritune',
}

function installed({ runtime, env, exists, cwd }: InvocationFacts): string {
  const binary = env['TRITUNE_BINARY']
  if (binary) return fileToType(binary, env, cwd)
  if (runtime === 'deno') return 'deno run -A npm:tritune'
  const [agent] = (env['npm_config_user_agent'] ?? '').split('/')
  if (Object.hasOwn(RUNNERS, agent)) return RUNNERS[agent]
  // The shims of a project are on the PATH only while a script of it runs.
  const folders = (env['PATH'] ?? env['Path'] ?? '')
    .split(delimiter)
    .filter((folder) => !/[\\/]\.bin[\\/]?$/.test(folder))
  const names = ['tritune', 'tritune.cmd', 'tritune.exe']
  const isOnPath = (folder: string): boolean => names.some((name) => exists(join(folder, name)))
  if (folders.some((folder) => folder !== '' && isOnPath(folder))) return 'tritune'
  return runtime === 'bun' ? RUNNERS.bun : RUNNERS.npm
}

/** The name of a file on the PATH, else its path from here, as short as it can be typed. */
function fileToType(file: string, env: InvocationFacts['env'], cwd: string): string {
  if ((env['PATH'] ?? env['Path'] ?? '').split(delimiter).includes(dirname(file))) return basename(file)
  const near = relative(cwd, file)
  if (near.length >= file.length) return file
  return near.includes(sep) ? near : `.${sep}${near}`
}

function factsOfProcess(): InvocationFacts {
  const { bun, deno } = process.versions
  return {
    runtime: bun ? 'bun' : deno ? 'deno' : 'node',
    root: fileURLToPath(new URL('..', import.meta.url)),
    isCheckout: isCheckout(),
    cwd: process.cwd(),
    env: process.env,
    execPath: process.execPath,
    exists: existsSync,
  }
}
