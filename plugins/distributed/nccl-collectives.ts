/**
 * Collectives between GPUs by NCCL, where all processes have it: gradients stay where they are. Who has it not goes through the host, and so do all others then.
 */
import { hostname } from 'node:os'
import type { ArrayView, Device, DeviceCollectives, DType } from '../../core/mod.ts'
import { TrituneError } from '../../core/mod.ts'
import { type DistFunctions, STATUS, SUM_TYPE } from './native/symbols.ts'

/** What of the library they call. */
export type NcclFunctions = Pick<
  DistFunctions,
  | 'tt_dist_open_nccl'
  | 'tt_dist_nccl_library'
  | 'tt_dist_last_error'
  | 'tt_dist_join_nccl'
  | 'tt_dist_gpu_sum'
  | 'tt_dist_gpu_sum_part'
  | 'tt_dist_gpu_gather'
  | 'tt_dist_gpu_broadcast'
>

/** What of a world they are made with. */
export interface NcclPeers {
  readonly size: number
  readonly localRank: number
  gather(text: string): string[]
  wait(what: string, ticket: number): void
}

/**
 * null where the device is no GPU, or one of the processes has no NCCL, or two share a GPU. All processes call it.
 * @throws E_PEER where they have different versions of it, or it cannot connect them
 */
export function ncclCollectives(
  functions: NcclFunctions,
  device: Device,
  { size, localRank, gather, wait }: NcclPeers,
): DeviceCollectives | null {
  if (gather(device.kind).some((kind) => kind !== 'cuda')) return null
  const ordinal = isEmulated(device) ? localRank : ordinalOf(device)
  const told = gather(JSON.stringify(whatIsHere(functions, device, ordinal))).map((text): Told =>
    JSON.parse(text),
  )
  if (told.some(({ library }) => library === null)) return null
  if (new Set(told.map(({ gpu }) => gpu)).size < size) return null
  const odd = told.findIndex(({ library }) => library !== told[0].library)
  if (odd >= 0)
    throw new TrituneError(
      'E_PEER',
      `process ${odd} of ${size} has ${told[odd].library} where process 0 has ${told[0].library}`,
      { remedy: 'install one version of it on all machines, or set TRITUNE_ENGINE=mpi' },
    )
  wait('joining by NCCL', functions.tt_dist_join_nccl(ordinal))

  const run = (what: string, start: () => number): void => {
    // The kernels are of another stream.
    device.synchronize?.()
    wait(what, start())
  }
  return {
    description: told[0].library ?? '',
    sum: (values) =>
      run('a sum', () => functions.tt_dist_gpu_sum(values.address, values.size, typeOf(values))),
    sumPart(values, part) {
      expectParts(values, part, size)
      run('a sum in parts', () =>
        functions.tt_dist_gpu_sum_part(values.address, part.address, part.size, typeOf(values)),
      )
    },
    collect(own, all) {
      expectParts(all, own, size)
      run('a gather', () => functions.tt_dist_gpu_gather(own.address, own.bytes, all.address))
    },
    broadcast: (values, from = 0) =>
      run('a broadcast', () => functions.tt_dist_gpu_broadcast(values.address, values.bytes, from)),
  }
}

/** Opens NCCL, or RCCL; null, or why not. */
export function openNccl(
  functions: Pick<DistFunctions, 'tt_dist_open_nccl' | 'tt_dist_last_error'>,
): string | null {
  const name = process.env['TRITUNE_NCCL_LIBRARY'] ?? ''
  const status = functions.tt_dist_open_nccl(new TextEncoder().encode(`${name}\0`))
  return status === STATUS.ok ? null : functions.tt_dist_last_error()
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Which GPU, as the driver counts. */
function ordinalOf({ name }: Pick<Device, 'name'>): number {
  return Number(/^cuda:(\d+)$/.exec(name)?.[1] ?? 0)
}

function isEmulated({ name }: Pick<Device, 'name'>): boolean {
  return name === 'cuda-emulated'
}

interface Told {
  readonly library: string | null
  /** Of all machines. */
  readonly gpu: string
}

function whatIsHere(functions: NcclFunctions, device: Device, ordinal: number): Told {
  // The memory of an emulated GPU is that of the host: only a library that was named for it can know that.
  const mayOpen = !isEmulated(device) || Boolean(process.env['TRITUNE_NCCL_LIBRARY'])
  return {
    library: mayOpen && openNccl(functions) === null ? functions.tt_dist_nccl_library() : null,
    gpu: `${hostname()} ${process.env['CUDA_VISIBLE_DEVICES'] ?? ''} ${ordinal}`,
  }
}

function typeOf({ dtype }: { readonly dtype: DType }): number {
  const type: number | undefined = Object.entries(SUM_TYPE).find(([name]) => name === dtype)?.[1]
  if (type !== undefined) return type
  throw new TrituneError('E_DTYPE', `f32 and bf16 can be added up, this is ${dtype}`)
}

function expectParts(whole: ArrayView, part: ArrayView, size: number): void {
  if (whole.size === size * part.size && whole.dtype === part.dtype) return
  throw new TrituneError(
    'E_SHAPE',
    `${whole.size} values of ${whole.dtype} are not ${size} parts of ${part.size} of ${part.dtype}`,
  )
}
