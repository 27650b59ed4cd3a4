/**
 * Who started this process, by what launchers put into the environment. Without a launcher no MPI library is opened: a lone
 * MPI_Init costs time and starts daemons.
 */

/** A launcher that started this process beside others. */
export interface Launcher {
  /** For people. */
  readonly name: string
  readonly size: number
}

type Environment = Readonly<Record<string, string | undefined>>

/**
 * The launcher of this process; null where there is none.
 *
 * @example
 * ```ts
 * import { detectLauncher } from 'tritune/plugins/distributed'
 *
 * console.log(detectLauncher({ OMPI_COMM_WORLD_SIZE: '4', OMPI_COMM_WORLD_RANK: '1' })?.name) // → mpirun of Open MPI
 * console.log(detectLauncher({})) // → null
 * ```
 */
export function detectLauncher(env: Environment = process.env): Launcher | null {
  const openMpi = env['OMPI_COMM_WORLD_SIZE']
  if (openMpi !== undefined) return { name: 'mpirun of Open MPI', size: Number(openMpi) }
  const steps = env['SLURM_STEP_NUM_TASKS']
  const isSlurm = steps !== undefined && env['SLURM_PROCID'] !== undefined
  const pmi = env['PMI_SIZE']
  if (pmi !== undefined && env['PMI_RANK'] !== undefined)
    return { name: isSlurm ? 'srun with PMI' : 'mpiexec of MPICH', size: Number(pmi) }
  if (isSlurm && env['PMIX_RANK'] !== undefined) return { name: 'srun with PMIx', size: Number(steps) }
  // A job step of several tasks that says nothing of MPI: opening the library tells what to do.
  return isSlurm && Number(steps) > 1 ? { name: 'srun', size: Number(steps) } : null
}
