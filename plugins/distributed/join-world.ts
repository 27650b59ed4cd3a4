/**
 * Joins the job that a launcher started this process for.
 */
import { TrituneError, type World } from '../../core/mod.ts'
import { detectLauncher, type Launcher } from './launcher.ts'
import { mpiWorld } from './mpi-world.ts'
import { openDistLibrary } from './native/library.ts'
import { type DistFunctions, STATUS } from './native/symbols.ts'

/** Options of `joinWorld()`. */
export interface JoinOptions {
  /** Name or path of the MPI library; default: TRITUNE_MPI_LIBRARY, else what belongs to the launcher. */
  readonly library?: string
  /** How long a call waits for the other processes; default: half an hour, as other trainers do. */
  readonly timeoutMs?: number
}

/**
 * The processes that were started together; null where no launcher started this one. Waits until all have come. Once in a process.
 *
 * @throws E_LIBRARY where the MPI library is missing, not known, or of another family than the launcher
 * @example
 * ```ts
 * import { joinWorld } from 'tritune/plugins/distributed'
 *
 * using world = joinWorld() // under `mpirun -n 4` one of four
 * console.log(world === null) // → true
 * ```
 */
export function joinWorld(options: JoinOptions = {}): World | null {
  const launcher = detectLauncher()
  if (launcher === null) return null
  const { library = process.env['TRITUNE_MPI_LIBRARY'] ?? '', timeoutMs = HALF_AN_HOUR } = options
  const dist = openDistLibrary()
  const { functions } = dist
  const opened = functions.tt_dist_open(new TextEncoder().encode(`${library}\0`))
  if (opened !== STATUS.ok) throw cannotJoin(opened, launcher, functions)
  const joined = functions.tt_dist_init()
  if (joined !== STATUS.ok) throw cannotJoin(joined, launcher, functions)
  return mpiWorld(dist, { timeoutMs })
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const HALF_AN_HOUR = 1_800_000

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
