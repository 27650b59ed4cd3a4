/**
 * Joins the job that a launcher started this process for.
 */
import { existsSync, readlinkSync } from 'node:fs'
import { TrituneError, type World } from '../../core/mod.ts'
import { detectLauncher, type Launcher } from './launcher.ts'
import { distWorld } from './dist-world.ts'
import { environmentPlace, isEnvironmentJob } from './environment-place.ts'
import { openNccl } from './nccl-collectives.ts'
import { type DistLibrary, openDistLibrary } from './native/library.ts'
import { type DistFunctions, STATUS } from './native/symbols.ts'

/** What connects processes. */
export type WorldEngine = 'auto' | 'mpi' | 'nccl'

/** Options of `joinWorld()`. */
export interface JoinOptions {
  /** Name or path of the MPI library; default: TRITUNE_MPI_LIBRARY, else what belongs to the launcher. */
  readonly library?: string
  /**
   * What connects the processes. `auto`: MPI, and between GPUs NCCL where all have it; NCCL alone where no launcher of MPI but the environment of torchrun is there. `mpi`: never NCCL. `nccl`: no
   * MPI, the processes are what the environment says. Default: TRITUNE_ENGINE, else `auto`.
   */
  readonly engine?: WorldEngine
  /** How long a call waits for the other processes; default: half an hour, as other trainers do. */
  readonly timeoutMs?: number
}

/**
 * The processes that were started together; null where no launcher started this one. Waits until all have come. Once in a process.
 *
 * @throws E_LIBRARY where the MPI library, or NCCL, is missing, not known, or of another family than the launcher; E_CONFIG where the environment says no place
 * @example
 * ```ts
 * import { joinWorld } from 'tritune/plugins/distributed'
 *
 * using world = joinWorld() // under `mpirun -n 4` one of four
 * console.log(world === null) // → true
 * ```
 */
export function joinWorld(options: JoinOptions = {}): World | null {
  const { timeoutMs = HALF_AN_HOUR } = options
  const engine = options.engine ?? engineOf(process.env['TRITUNE_ENGINE'])
  const launcher = detectLauncher()
  if (engine === 'nccl' || (engine === 'auto' && launcher === null && isEnvironmentJob()))
    return joinByNccl(timeoutMs)
  if (launcher === null) return null
  const { library = process.env['TRITUNE_MPI_LIBRARY'] ?? '' } = options
  expectPmiConnection()
  const dist = openDistLibrary()
  const { functions } = dist
  const opened = functions.tt_dist_open(new TextEncoder().encode(`${library}\0`))
  if (opened !== STATUS.ok) throw cannotJoin(opened, launcher, functions)
  const joined = functions.tt_dist_init()
  if (joined !== STATUS.ok) throw cannotJoin(joined, launcher, functions)
  return distWorld(dist, { timeoutMs, nccl: engine === 'mpi' ? 'never' : 'auto' })
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const HALF_AN_HOUR = 1_800_000
const ENGINES = ['auto', 'mpi', 'nccl'] as const

function engineOf(text: string | undefined): WorldEngine {
  if (text === undefined || text === '') return 'auto'
  const engine = ENGINES.find((one) => one === text)
  if (engine !== undefined) return engine
  throw new TrituneError('E_CONFIG', `TRITUNE_ENGINE: expected one of ${ENGINES.join(', ')}, got "${text}"`)
}

/** MPICH asks its launcher through an open file that is handed down, and a program that starts another one may close it. */
function expectPmiConnection(): void {
  const text = process.env['PMI_FD']
  if (text === undefined || mayBeSocket(text)) return
  throw new TrituneError(
    'E_LIBRARY',
    'the connection to the launcher has been closed on the way to this process',
    {
      remedy:
        'start the program itself: `bun scripts/finetune.ts` and not `bun run finetune`, which starts another process without what it was handed',
    },
  )
}

/** Another open file can have its number. Where there is no /proc nobody knows. */
function mayBeSocket(file: string): boolean {
  const files = '/proc/self/fd'
  if (!existsSync(files)) return true
  try {
    return readlinkSync(`${files}/${file}`).startsWith('socket:')
  } catch {
    return false
  }
}

function joinByNccl(timeoutMs: number): World {
  const { rank, size, localRank, localSize, meeting } = environmentPlace()
  const dist: DistLibrary = openDistLibrary()
  const { functions } = dist
  const missing = openNccl(functions)
  if (missing !== null)
    throw new TrituneError(
      'E_LIBRARY',
      `the environment says that this is process ${rank} of ${size}, and ${missing}`,
      {
        remedy:
          'install NCCL, or name it with TRITUNE_NCCL_LIBRARY; processes without GPUs are started by mpirun',
      },
    )
  const address = new TextEncoder().encode(`${meeting}\0`)
  const status = functions.tt_dist_init_nccl(rank, size, localRank, localSize, localRank, address, timeoutMs)
  if (status === STATUS.ok) return distWorld(dist, { timeoutMs, nccl: 'auto' })
  const message = functions.tt_dist_last_error()
  if (status === STATUS.late)
    throw new TrituneError(
      'E_PEER',
      `process ${rank} of ${size} waited ${timeoutMs / 1000} s at ${meeting} for the others`,
      { remedy: 'start all of them; MASTER_ADDR is to be the machine of process 0, and reached by all' },
    )
  throw new TrituneError('E_LIBRARY', `the processes cannot meet at ${meeting} (${status}): ${message}`, {
    remedy: 'NCCL_DEBUG=WARN says more; NCCL_SOCKET_IFNAME says which network to take',
  })
}

function cannotJoin(
  status: number,
  { name }: Launcher,
  functions: Pick<DistFunctions, 'tt_dist_last_error'>,
): TrituneError {
  const message = functions.tt_dist_last_error()
  if (status === STATUS.noLibrary)
    return new TrituneError('E_LIBRARY', `this process was started by ${name}, and ${message}`, {
      remedy:
        'install the MPI library that belongs to the launcher (Debian: libopenmpi3 or libmpich12), or name it with TRITUNE_MPI_LIBRARY',
    })
  if (status === STATUS.alone)
    return new TrituneError('E_LIBRARY', `${message}: they are of different families`, {
      remedy:
        'start with the mpirun that belongs to the library, or name the library of this one with TRITUNE_MPI_LIBRARY; under Slurm: srun --mpi=pmix for Open MPI, --mpi=pmi2 for MPICH',
    })
  return new TrituneError('E_LIBRARY', `MPI cannot be used (${status}): ${message}`, {
    remedy: 'name another library with TRITUNE_MPI_LIBRARY; under Slurm choose another --mpi',
  })
}
