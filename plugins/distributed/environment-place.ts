/**
 * Which process this is, by the variables that torchrun, Kubernetes and others set, and by those that launchers of MPI set. For jobs that meet by NCCL alone.
 */
import { TrituneError } from '../../core/mod.ts'

/** Where this process is among all, and where they meet. */
export interface EnvironmentPlace {
  readonly rank: number
  readonly size: number
  readonly localRank: number
  readonly localSize: number
  /** `host:port` of the first process. */
  readonly meeting: string
}

type Environment = Readonly<Record<string, string | undefined>>

/** torchrun's names first. */
const RANK = ['RANK', 'SLURM_PROCID', 'OMPI_COMM_WORLD_RANK', 'PMI_RANK', 'JOB_COMPLETION_INDEX']
const SIZE = ['WORLD_SIZE', 'SLURM_NTASKS', 'OMPI_COMM_WORLD_SIZE', 'PMI_SIZE']
const LOCAL_RANK = ['LOCAL_RANK', 'SLURM_LOCALID', 'OMPI_COMM_WORLD_LOCAL_RANK', 'MPI_LOCALRANKID']
const LOCAL_SIZE = ['LOCAL_WORLD_SIZE', 'OMPI_COMM_WORLD_LOCAL_SIZE', 'MPI_LOCALNRANKS']

/** torchrun's own store has MASTER_PORT itself. */
const DEFAULT_PORT = 29_500

/**
 * The place that the environment says. Throws E_CONFIG naming the variable that is missing or is no number.
 *
 * @example
 * ```ts
 * import { environmentPlace } from 'tritune/plugins/distributed'
 *
 * const env = { RANK: '3', WORLD_SIZE: '4', LOCAL_RANK: '1', MASTER_ADDR: '10.0.0.1', MASTER_PORT: '29500' }
 * const { rank, size, meeting } = environmentPlace(env)
 * console.log(rank, size, meeting) // → 3 4 10.0.0.1:29501
 * ```
 */
export function environmentPlace(env: Environment = process.env): EnvironmentPlace {
  const size = numberOf(env, SIZE, null)
  const rank = numberOf(env, RANK, null)
  if (rank >= size)
    throw new TrituneError('E_CONFIG', `there is no process ${rank} of ${size}: they count from 0`, {
      place: 'the environment',
    })
  const localRank = numberOf(env, LOCAL_RANK, 0)
  return {
    rank,
    size,
    localRank,
    localSize: Math.max(numberOf(env, LOCAL_SIZE, localRank + 1), localRank + 1),
    meeting: meetingOf(env),
  }
}

/** Whether the environment is of a launcher that is none of MPI: torchrun, or a job of Kubernetes. */
export function isEnvironmentJob(env: Environment = process.env): boolean {
  return env['RANK'] !== undefined && Number(env['WORLD_SIZE'] ?? 1) > 1 && env['MASTER_ADDR'] !== undefined
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function numberOf(env: Environment, names: readonly string[], missing: number | null): number {
  const name = names.find((one) => env[one] !== undefined && env[one] !== '')
  if (name === undefined) {
    if (missing !== null) return missing
    throw new TrituneError('E_CONFIG', `${names[0]} is not set`, {
      place: 'the environment',
      remedy: `a launcher sets it, or one of ${names.slice(1).join(', ')}`,
    })
  }
  const text = env[name] ?? ''
  if (/^\d{1,6}$/.test(text)) return Number(text)
  throw new TrituneError('E_CONFIG', `${name}: expected a whole number, got "${text}"`, {
    place: 'the environment',
  })
}

function meetingOf(env: Environment): string {
  const named = env['NCCL_COMM_ID']
  if (named) return named
  const host = env['MASTER_ADDR']
  if (!host)
    throw new TrituneError('E_CONFIG', 'MASTER_ADDR is not set: the processes do not know where to meet', {
      place: 'the environment',
      remedy: 'set it to the address of the first process, or NCCL_COMM_ID to host:port',
    })
  return `${host}:${numberOf(env, ['MASTER_PORT'], DEFAULT_PORT) + 1}`
}
