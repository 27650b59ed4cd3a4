/**
 * The device `wasm`: the ops of the CPU library in WebAssembly. Its memory is one heap that grows, so tensors have no host view:
 * numbers are copied in and out.
 */
import {
  type Allocation,
  type Device,
  type OpImplementation,
  type OpKey,
  TrituneError,
} from '../../core/mod.ts'
import { nativeOps } from '../cpu/mod.ts'
import { engineOf, hardwareThreads } from './engine.ts'
import { openWasmLibrary, type WasmLibrary } from './library.ts'
import { hasOwnWorkers, ownWorkers, pageWorkers, type Workers } from './threads.ts'

/** Options of `openWasm()`: threads, and how far the heap may grow. */
export interface WasmOptions {
  /** Threads of the pool; 0 = as many as the machine has. One where memory cannot be shared. */
  readonly threads?: number
  /** Bytes that the heap may grow to; default: 4 GiB, all that 32 bits reach. */
  readonly heap?: number
}

/** Options of `openWasmBytes()`: the module besides. */
export interface WasmBytesOptions extends WasmOptions {
  /** The module: of the relaxed build where `engineOf().relaxedSimd`. */
  readonly bytes: Uint8Array
  /** Where it comes from, for errors. */
  readonly place: string
  /** What to do about a module that cannot be used. */
  readonly remedy?: string
}

/**
 * Opens the device on the bytes of a module, when its threads are there. Throws E_LIBRARY for an engine without SIMD and for a module that is
 * damaged, cut off or of another version, E_MEMORY for a heap that cannot be.
 */
export async function openWasmBytes(options: WasmBytesOptions): Promise<Device> {
  const more = threadsOf(options) - 1
  if (more === 0 || hasOwnWorkers()) return openWasmNow(options)
  const workers = await pageWorkers(more)
  return open(options, workers.count + 1, workers.count > 0 ? workers : null)
}

/** The same at once, for Bun, Deno and Node; in a page it has one thread. */
export function openWasmNow(options: WasmBytesOptions): Device {
  const threads = hasOwnWorkers() ? threadsOf(options) : 1
  return open(options, threads, threads > 1 ? ownWorkers() : null)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Of the library's pool. */
const MOST_THREADS = 256

function threadsOf({ threads = 0 }: WasmOptions): number {
  if (!engineOf().sharedMemory) return 1
  return Math.min(threads === 0 ? hardwareThreads() : threads, MOST_THREADS)
}

function open(
  { bytes, place, heap, remedy = 'load it again, of the same version as this tritune' }: WasmBytesOptions,
  threads: number,
  workers: Workers | null,
): Device {
  const library = openWasmLibrary({ bytes, place, workers, heap, remedy })
  library.call.tt_init(0, threads, 0)
  const implementations = new Map<OpKey, OpImplementation>(nativeOps(library.call).map((i) => [i.op, i]))
  const stats = new BigInt64Array(4)
  return {
    name: 'wasm',
    kind: 'cpu',
    description: describe(library),
    capacity: library.heap.most,
    allocate: (bytes) => allocate(library, bytes),
    zero: (address, bytes) => library.call.tt_zero(address, bytes, 0),
    copy: (to, from, bytes) => library.call.tt_copy(to, from, bytes, 0),
    write: (address, bytes) => library.heap.write(address, bytes),
    read: (address, bytes) => library.heap.read(address, bytes),
    implementationOf: (op) => implementations.get(op),
    memory() {
      library.call.tt_memory_stats(stats)
      const [live, pooled, peak, growth] = stats
      return { live: Number(live), pooled: Number(pooled), peak: Number(peak), growth: Number(growth) }
    },
    resetPeak: () => library.call.tt_memory_reset_peak(),
  }
}

const out: Uint32Array = new Uint32Array(2)

/** The largest size of block below 2 GiB. The library takes no larger ones, and above 3.75 GiB their size does not fit into 32 bits. */
const MOST_BLOCK = 15 * 2 ** 27

function allocate({ call, heap }: WasmLibrary, bytes: number): Allocation {
  const most = Math.min(heap.most, MOST_BLOCK)
  if (bytes > most) {
    const what = most === heap.most ? 'the heap' : 'a tensor in WebAssembly'
    throw new TrituneError('E_MEMORY', `${bytes} bytes are more than ${what} can have (${most})`, {
      remedy: 'the native library has no limit of its own',
    })
  }
  call.tt_alloc(out, bytes)
  const [address] = out
  return { address, host: null, free: () => call.tt_free(address) }
}

function describe({ info, place }: WasmLibrary): string {
  const { isa, threads } = info
  if (typeof isa !== 'string')
    throw new TrituneError('E_LIBRARY', 'tt_build_info names no instruction set', { place })
  return `wasm (${isa}, ${String(threads)} ${threads === 1 ? 'thread' : 'threads'})`
}
