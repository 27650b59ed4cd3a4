/**
 * CUDA devices: memory and ops of libtritune_cuda, or of its emulated twin. Opened when asked for, never at import.
 */
import {
  type Allocation,
  type DeviceFile,
  type GpuDevice,
  type OpImplementation,
  type OpKey,
  TrituneError,
} from '../../core/mod.ts'
import { type DeviceFacts, type NativeLibrary, openLibrary } from '../../core/native/library.ts'
import { nativeOps } from '../cpu/mod.ts'

/** Options of `openCuda()`: which GPU, and how it computes. Without any it is the first GPU. */
export interface CudaOptions {
  /** The GPU's number, as nvidia-smi counts. */
  readonly ordinal?: number
  /** Runs the same kernels on the CPU: for tests, a million times slower. */
  readonly emulated?: boolean
  /** Who does matrix products: `auto` is cuBLASLt where it is found, else our own kernels. Or TRITUNE_GEMM. */
  readonly gemm?: 'auto' | 'own' | 'mma' | 'wgmma' | 'cublaslt'
  /** `atomic`: a faster attention backward whose sums change from run to run. Or TRITUNE_ATTENTION_DQ. */
  readonly attentionDq?: 'deterministic' | 'atomic'
  /** Waits after every op, so that an error names the op that failed. Or TRITUNE_CUDA_SYNC=1. */
  readonly synchronous?: boolean
}

/**
 * Opens a GPU. Throws E_LIBRARY when the library is missing or damaged, E_DEVICE saying why when no GPU can be used.
 *
 * @example
 * ```ts
 * import { tensor, tensorScope } from 'tritune/core'
 * import { openCuda } from 'tritune/plugins/cuda'
 *
 * const device = openCuda({ emulated: true }) // { ordinal: 0 } on a GPU
 * using _scope = tensorScope()
 * console.log([...tensor([1, 2], { device }).toArray()]) // → [ 1, 2 ]
 * ```
 */
export function openCuda(options: CudaOptions = {}): GpuDevice {
  const { ordinal = 0, emulated = false } = options
  const library = openLibrary(emulated ? 'cuda-emulated' : 'cuda')
  const facts = usableGpu(library, ordinal)
  const { call } = library
  call.tt_init(ordinal, 0, 0)
  setOptions(library, options)
  const implementations = new Map<OpKey, OpImplementation>(nativeOps(call).map((i) => [i.op, i]))
  const stats = new BigInt64Array(4)
  return {
    name: emulated ? 'cuda-emulated' : `cuda:${ordinal}`,
    kind: 'cuda',
    description: emulated ? 'cuda-emulated (CUDA kernels on the CPU, for tests)' : describe(ordinal, facts),
    capacity: facts.memory,
    allocate: (bytes) => allocate(library, bytes),
    openFile: (path) => openFile(library, path),
    zero: (address, bytes) => call.tt_zero(address, bytes, 0),
    copy: (to, from, bytes) => call.tt_copy(to, from, bytes, 0),
    write: (address, bytes) => call.tt_upload(address, bytes, bytes.length, 0),
    read(address, bytes) {
      const copy = new Uint8Array(bytes)
      call.tt_download(copy, address, bytes, 0)
      return copy
    },
    synchronize: () => call.tt_synchronize(0),
    implementationOf: (op) => implementations.get(op),
    memory() {
      call.tt_memory_stats(stats)
      const [live, pooled, peak, growth] = stats
      return {
        live: Number(live),
        pooled: Number(pooled),
        peak: Number(peak),
        growth: Number(growth),
      }
    },
    resetPeak: () => call.tt_memory_reset_peak(),
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** What the caller says goes before the environment; a value that is not known is an error that lists those that are. */
function setOptions({ call }: NativeLibrary, { gemm, attentionDq, synchronous }: CudaOptions): void {
  const { TRITUNE_GEMM, TRITUNE_ATTENTION_DQ, TRITUNE_CUDA_SYNC } = process.env
  const chosen = {
    gemm: gemm ?? TRITUNE_GEMM,
    attention_dq: attentionDq ?? TRITUNE_ATTENTION_DQ,
    synchronous: synchronous === undefined ? TRITUNE_CUDA_SYNC : String(Number(synchronous)),
  }
  const text = (value: string): Uint8Array => new TextEncoder().encode(`${value}\0`)
  for (const [name, value] of Object.entries(chosen))
    if (value !== undefined) call.tt_option_set(text(name), text(value))
}

/** Compute capability that the kernels are made for: Ampere. */
const OLDEST = 80

function usableGpu(library: NativeLibrary, ordinal: number): DeviceFacts {
  const { problem, remedy, devices } = library.devices()
  if (problem !== null) throw new TrituneError('E_DEVICE', problem, { remedy: remedy ?? undefined })
  const facts = devices.at(ordinal)
  if (facts && facts.capability < OLDEST) {
    const { name, capability } = facts
    throw new TrituneError(
      'E_DEVICE',
      `GPU ${ordinal} (${name}) has compute capability ${(capability / 10).toFixed(1)}, 8.0 or newer is needed`,
      { remedy: 'use device: cpu, or another GPU' },
    )
  }
  if (facts && ordinal >= 0) return facts
  throw new TrituneError('E_DEVICE', `there is no GPU ${ordinal}, this machine has ${devices.length}`, {
    remedy: 'they count from 0: cuda:0; CUDA_VISIBLE_DEVICES hides some',
  })
}

/** `cuda:0 (NVIDIA H100 80GB HBM3, compute capability 9.0, 79 GiB)` */
function describe(ordinal: number, { name, capability, memory }: DeviceFacts): string {
  const gibibytes = Math.round(memory / 2 ** 30)
  return `cuda:${ordinal} (${name}, compute capability ${(capability / 10).toFixed(1)}, ${gibibytes} GiB)`
}

const out: BigInt64Array = new BigInt64Array(2)

function allocate(library: NativeLibrary, bytes: number): Allocation {
  library.call.tt_alloc(out, bytes)
  const address = Number(out[0])
  return { address, host: null, free: () => library.call.tt_free(address) }
}

/** The library reads the mapped pages into pinned memory and copies from there. */
function openFile({ call }: NativeLibrary, path: string): DeviceFile {
  call.tt_file_map(out, new TextEncoder().encode(`${path}\0`))
  const [start, bytes] = [Number(out[0]), Number(out[1])]
  return {
    bytes,
    copyTo: (address, offset, count) => call.tt_copy(address, start + offset, count, 0),
    free: () => call.tt_file_unmap(start, bytes),
  }
}
