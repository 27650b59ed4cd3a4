/**
 * Jobs of several processes for tests, with the MPI that is on this machine. libtritune_dist is built when the one that is there is of other sources.
 */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { join } from 'node:path'
import { PLATFORM } from '../../../core/native/platforms.ts'
import { buildDist, distOutput } from '../../../scripts/native/dist.ts'
import { ROOT } from '../../../scripts/native/process.ts'
import { nativeSourceHash } from '../../../scripts/native/source-hash.ts'

export interface Mpi {
  readonly name: 'Open MPI' | 'MPICH'
  /** Command and options, without the number of processes. */
  readonly command: readonly string[]
}

const AS_ROOT = { OMPI_ALLOW_RUN_AS_ROOT: '1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1' }

const KNOWN: readonly Mpi[] = [
  { name: 'Open MPI', command: ['mpirun.openmpi', '--oversubscribe', '--bind-to', 'none'] },
  { name: 'MPICH', command: ['mpirun.mpich'] },
]

/** Those that are installed, where libtritune_dist can be built at all. */
export const INSTALLED: readonly Mpi[] = PLATFORM === 'linux-x64' ? KNOWN.filter(isInstalled) : []

/** For names of tests that are left out. */
export const NO_MPI: string | null =
  INSTALLED.length > 0 ? null : 'neither mpirun.openmpi nor mpirun.mpich is here'

/** Path of a library that is of the sources that are here. */
export async function distLibrary(): Promise<string> {
  const bundled = join(ROOT, distOutput('linux-x64'))
  if (existsSync(bundled) && readFileSync(bundled).includes(nativeSourceHash('dist'))) return bundled
  return join(ROOT, await buildDist('linux-x64', 'native/build/linux-x64-dist/libtritune_dist.so'))
}

export interface Job {
  readonly code: number | null
  /** stdout and stderr of all processes and of the launcher. */
  readonly output: string
}

/** Programs of a job, each with how many processes run it. */
export type Programs = readonly (readonly [processes: number, command: readonly string[]])[]

export interface JobOptions {
  readonly library: string
  readonly env?: Readonly<Record<string, string>>
  /** Called with what has been printed so far, whenever there is more. */
  readonly onOutput?: (output: string) => void
}

/** Runs a job to its end; it is killed after a minute, so that a test fails and does not hang. */
export async function runJob(
  { command }: Mpi,
  programs: Programs,
  { library, env = {}, onOutput }: JobOptions,
): Promise<Job> {
  const parts = programs.map(([processes, program]) => ['-n', String(processes), ...program])
  const [launcher, ...options] = command
  const child = spawn(
    launcher,
    [...options, ...parts.flatMap((part, i) => (i === 0 ? part : [':', ...part]))],
    {
      env: { ...process.env, ...AS_ROOT, TRITUNE_DIST_LIBRARY: library, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (data: Buffer) => {
      output += data.toString()
      onOutput?.(output)
    })
  const timer = setTimeout(() => child.kill('SIGKILL'), 60_000)
  const closed = new Promise((resolve) => child.on('close', resolve))
  const code = await new Promise<number | null>((resolve) => child.on('exit', resolve))
  // A daemon on a machine that is cut off keeps the pipes open.
  await Promise.race([closed, sleep(1000)])
  clearTimeout(timer)
  return { code, output }
}

/** The second process of the job that writes into a folder: its number, as long as it is there. */
export function secondOf(outputDir: string): number[] {
  const found = spawnSync('pgrep', ['-f', outputDir], { encoding: 'utf8' }).stdout.trim().split('\n')
  return found.map(Number).filter((pid) => {
    const path = `/proc/${pid}/environ`
    const env = existsSync(path) ? readFileSync(path, 'utf8').split('\0') : []
    return env.includes('OMPI_COMM_WORLD_RANK=1') || env.includes('PMI_RANK=1')
  })
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function isInstalled({ command: [name] }: Mpi): boolean {
  return spawnSync(name, ['--version'], { stdio: 'ignore', env: { ...process.env, ...AS_ROOT } }).status === 0
}
