/**
 * The libraries on this machine. Each is opened in a child process: one that is damaged can end it.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { TrituneError } from '../../core/errors.ts'
import { installCommand } from '../../core/install-command.ts'
import { expectForeignFunctions } from '../../core/native/ffi.ts'
import { type DeviceList, libraryCandidates, openLibrary } from '../../core/native/library.ts'
import { libraryFolders } from '../../core/native/platform-packages.ts'
import { platformFacts } from '../../core/native/platforms.ts'
import { isInstalled } from '../_setup.ts'
import { siblingModule } from '../_sibling.ts'

/** `cuda12` is the one for drivers that know CUDA 12 only. */
export type ProbedLibrary = 'cpu' | 'cuda' | 'cuda12' | 'cuda-emulated'

export const PROBED: readonly ProbedLibrary[] = ['cpu', 'cuda', 'cuda12', 'cuda-emulated']

export function isProbed(name: string): name is ProbedLibrary {
  return PROBED.some((known) => known === name)
}

export interface ProbeResult {
  readonly info: Readonly<Record<string, unknown>>
  readonly devices: DeviceList
  /** How matrix products are done; null where no device could be started. */
  readonly options: Readonly<Record<string, unknown>> | null
  /** The small training step that is checked where the library has never been proven; false where it has been, or packages are missing. */
  readonly hasPassedSelfCheck: boolean
}

/** In the child process: opens the library and starts its first device if there is one. Throws E_DEVICE when it computes wrong numbers. */
export async function probe(name: ProbedLibrary): Promise<ProbeResult> {
  const library = openLibrary(name === 'cuda12' ? 'cuda' : name)
  const { problem } = library.devices()
  if (problem === null) library.call.tt_init(0, 0, 0)
  const isUnproven = name === 'cpu' && platformFacts()?.unproven !== null
  if (isUnproven && isInstalled()) {
    const { openCpu } = await import('../../plugins/cpu/mod.ts')
    openCpu()
  }
  return {
    hasPassedSelfCheck: isUnproven && isInstalled(),
    info: library.info,
    devices: library.devices(),
    options: problem === null ? library.options() : null,
  }
}

export interface LibraryState {
  readonly name: ProbedLibrary
  readonly path: string
  /** `unopened`: this runtime cannot call native code at all. */
  readonly state: 'usable' | 'missing' | 'damaged' | 'unopened'
  /** Why it cannot be used, and what was said to do. */
  readonly problem: string | null
  readonly remedy: string | null
  readonly found: ProbeResult | null
}

export function examineLibrary(name: ProbedLibrary): LibraryState {
  const path = pathOf(name)
  if (!existsSync(path)) return { name, path, state: 'missing', problem: null, remedy: null, found: null }
  const unable = foreignFunctionsProblem()
  if (unable !== null)
    return { name, path, state: 'unopened', problem: unable.what, remedy: unable.command, found: null }
  const own = fileURLToPath(siblingModule('../tritune', import.meta.url))
  const runner = 'Deno' in globalThis ? ['run', '--allow-all', own, 'doctor'] : [own, 'doctor']
  const child = spawnSync(process.execPath, [...runner, '--probe', name], {
    encoding: 'utf8',
    timeout: 30_000,
    env: { ...process.env, ...(name === 'cuda12' && { TRITUNE_CUDA_LIBRARY: path }) },
  })
  if (child.status === 0) {
    const found: ProbeResult = JSON.parse(child.stdout)
    return { name, path, state: 'usable', problem: null, remedy: null, found }
  }
  const message = /error: (.*)/.exec(child.stderr)?.[1].replace(`${path}: `, '')
  const problem = message ?? `opening it ended the process (${child.signal ?? child.status})`
  return {
    name,
    path,
    state: 'damaged',
    problem,
    remedy: /^ *→ (.*)/m.exec(child.stderr)?.[1] ?? null,
    found: null,
  }
}

/** Why this runtime cannot call native code, and what mends it: Node without koffi. Null: it can. */
export function foreignFunctionsProblem(): { readonly what: string; readonly command: string } | null {
  try {
    expectForeignFunctions()
    return null
  } catch (error) {
    if (!(error instanceof TrituneError)) throw error
    return { what: error.message.split('\n')[0], command: installCommand('koffi') }
  }
}

function pathOf(name: ProbedLibrary): string {
  if (name !== 'cuda12') return libraryCandidates(name)[0]
  return join(libraryFolders('cuda')[0], 'libtritune_cuda12.so')
}

/** Libraries of NVIDIA that are used when they are there, and where the loader finds them. */
export function findShared(prefix: string): string | null {
  const cache = spawnSync('ldconfig', ['-p'], { encoding: 'utf8' })
  const listed = new RegExp(`${prefix}\\.so\\.\\d+ .*=> (\\S+)`).exec(cache.stdout ?? '')
  if (listed) return listed[1]
  const folders = (process.env.LD_LIBRARY_PATH ?? '').split(delimiter).filter((folder) => folder !== '')
  for (const folder of folders) {
    const file = filesIn(folder).find((name) => name.startsWith(`${prefix}.so`))
    if (file) return join(folder, file)
  }
  return null
}

function filesIn(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : []
}
