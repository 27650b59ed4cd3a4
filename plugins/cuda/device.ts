/**
 * CUDA devices: memory and ops of libtritune_cuda, or of its emulated twin. Opened when asked for, never at import.
 */
import { type Allocation, type GpuDevice, type OpImplementation, type OpKey } from '../../core/mod.ts'
import { type NativeLibrary, openLibrary } from '../../core/native/library.ts'
import { nativeOps } from '../cpu/mod.ts'

export interface CudaOptions {
  /** The GPU's number, as nvidia-smi counts. */
  readonly ordinal?: number
  /** Runs the same kernels on the CPU: for tests, a million times slower. */
  readonly emulated?: boolean
}

/** Opens a GPU. Throws E_LIBRARY when the library is missing or damaged, E_NATIVE saying why when no GPU can be used. */
export function openCuda({ ordinal = 0, emulated = false }: CudaOptions = {}): GpuDevice {
  const library = openLibrary(emulated ? 'cuda-emulated' : 'cuda')
  library.call.tt_init(ordinal, 0, 0)
  const implementations = new Map<OpKey, OpImplementation>(nativeOps(library.call).map((i) => [i.op, i]))
  const stats = new BigInt64Array(4)
  const report = (): BigInt64Array => {
    library.call.tt_memory_stats(stats)
    return stats
  }
  return {
    name: emulated ? 'cuda-emulated' : `cuda:${ordinal}`,
    kind: 'cuda',
    description: emulated ? 'CUDA kernels, emulated on the CPU' : `cuda:${ordinal}`,
    allocate: (bytes) => allocate(library, bytes),
    zero: (address, bytes) => library.call.tt_zero(address, bytes, 0),
    write: (address, bytes) => library.call.tt_upload(address, bytes, bytes.length, 0),
    read(address, bytes) {
      const copy = new Uint8Array(bytes)
      library.call.tt_download(copy, address, bytes, 0)
      return copy
    },
    implementationOf: (op) => implementations.get(op),
    memory() {
      const [live, pooled, peak] = report()
      return { live: Number(live), pooled: Number(pooled), peak: Number(peak) }
    },
    resetPeak: () => library.call.tt_memory_reset_peak(),
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const out: BigInt64Array = new BigInt64Array(2)

function allocate(library: NativeLibrary, bytes: number): Allocation {
  library.call.tt_alloc(out, bytes)
  const address = Number(out[0])
  return { address, host: null, free: () => library.call.tt_free(address) }
}
