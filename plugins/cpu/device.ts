/**
 * The CPU device: memory and ops of libtritune_cpu. Opened when asked for, never at import.
 */
import {
  type Allocation,
  type Device,
  type OpImplementation,
  type OpKey,
  TrituneError,
} from '../../core/mod.ts'
import { basename, resolve, toNamespacedPath } from 'node:path'
import { type NativeLibrary, openLibrary } from '../../core/native/library.ts'
import { checkOnFirstUse } from './first-use.ts'
import { nativeOps } from './ops/mod.ts'

/**
 * Instruction set of the CPU library: the first three on x86-64, the others on ARM64. Asking for one that the processor has not is
 * an E_NATIVE, for one of another architecture an E_DEVICE.
 */
export type Isa = 'auto' | 'avx2' | 'avx512' | 'amx' | 'neon' | 'neon-bf16'

/** Who does products of f32 matrices; see README.md. */
export type CpuGemm = 'auto' | 'own' | 'blas'

/**
 * Options of `openCpu()`. All hold for the process, since the library is opened once: who opens it again sets them again.
 */
export interface CpuOptions {
  /** Threads of the pool; 0 = every core the process may use. */
  readonly threads?: number
  /** Instruction set; `auto` takes the best there is. */
  readonly isa?: Isa
  /** Who does products of f32 matrices; `auto` is Accelerate for large ones on Apple silicon, else our own kernels. Or TRITUNE_CPU_GEMM. */
  readonly gemm?: CpuGemm
  /** Path or name of the BLAS that `gemm` speaks of; without one it is Accelerate on macOS, and none elsewhere. Or TRITUNE_CPU_BLAS. */
  readonly blas?: string
}

/** As tt_init counts them, on each architecture from 1. */
const ISA_CODES: Readonly<Record<string, Readonly<Partial<Record<Isa, number>>>>> = {
  x64: { auto: 0, avx2: 1, avx512: 2, amx: 3 },
  arm64: { auto: 0, neon: 1, 'neon-bf16': 2 },
}

/**
 * Opens libtritune_cpu and starts its threads. Throws E_LIBRARY when it is missing, damaged or of another version; E_DEVICE when
 * this is the first use on a kind of machine that it never ran on, and it computes wrong numbers.
 *
 * @example
 * ```ts
 * import { openCpu } from 'tritune/plugins/cpu'
 *
 * const device = openCpu({ threads: 2 })
 * console.log(device.name) // → cpu
 * ```
 */
export function openCpu(options: CpuOptions = {}): Device {
  const { threads = 0, isa = 'auto' } = options
  const library = openLibrary('cpu')
  library.call.tt_init(0, threads, isaCode(isa))
  setProducts(library, options)
  const implementations = new Map<OpKey, OpImplementation>(nativeOps(library.call).map((i) => [i.op, i]))
  const stats = new BigInt64Array(4)
  const device: Device = {
    name: 'cpu',
    kind: 'cpu',
    description: describe(library),
    allocate: (bytes) => allocate(library, bytes),
    zero: (address, bytes) => library.call.tt_zero(address, bytes, 0),
    copy: (to, from, bytes) => library.call.tt_copy(to, from, bytes, 0),
    // For tensors too large for a host view; pieces of them are not.
    write: (address, bytes) => new Uint8Array(library.view(address, bytes.length)).set(bytes),
    read: (address, bytes) => new Uint8Array(library.view(address, bytes)),
    mapFile: (path) => mapFile(library, path),
    implementationOf: (op) => implementations.get(op),
    memory() {
      library.call.tt_memory_stats(stats)
      const [live, pooled, peak, growth] = stats
      return {
        live: Number(live),
        pooled: Number(pooled),
        peak: Number(peak),
        growth: Number(growth),
      }
    },
    resetPeak: () => library.call.tt_memory_reset_peak(),
  }
  checkOnFirstUse(device, library)
  return device
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** What the caller says goes before the environment; a value that is not known is an error that lists those that are. */
function setProducts({ call }: NativeLibrary, options: CpuOptions): void {
  const { TRITUNE_CPU_GEMM, TRITUNE_CPU_BLAS } = process.env
  const { gemm = TRITUNE_CPU_GEMM ?? 'auto', blas = TRITUNE_CPU_BLAS } = options
  const text = (value: string): Uint8Array => new TextEncoder().encode(`${value}\0`)
  if (blas !== undefined) call.tt_option_set(text('blas'), text(blas))
  call.tt_option_set(text('gemm'), text(gemm))
}

/** toArrayBuffer stops at 4 GiB; larger tensors have no host view. */
const LARGEST_VIEW = 2 ** 32 - 1

const out: BigInt64Array = new BigInt64Array(2)
const outHalves = new Uint32Array(out.buffer)

/** Of `out`, without a BigInt: ops of one token allocate hundreds of times. */
function outNumber(index: number): number {
  return outHalves[2 * index + 1] * 2 ** 32 + outHalves[2 * index]
}

function allocate(library: NativeLibrary, bytes: number): Allocation {
  library.call.tt_alloc(out, bytes)
  const address = outNumber(0)
  // Most buffers are never looked at from here, so the view waits until somebody asks.
  let host: ArrayBuffer | null | undefined
  return {
    address,
    get host() {
      if (host === undefined) host = hostView(library, address, bytes)
      return host
    },
    free: () => library.call.tt_free(address),
  }
}

function mapFile(library: NativeLibrary, path: string): Allocation & { readonly bytes: number } {
  library.call.tt_file_map(out, nativePath(path))
  const [address, bytes] = [outNumber(0), outNumber(1)]
  return {
    address,
    bytes,
    host: hostView(library, address, bytes),
    free: () => library.call.tt_file_unmap(address, bytes),
  }
}

/** UTF-8; on Windows in the form that may have more than 259 characters. */
function nativePath(path: string): Uint8Array {
  return new TextEncoder().encode(
    `${process.platform === 'win32' ? toNamespacedPath(resolve(path)) : path}\0`,
  )
}

function hostView(library: NativeLibrary, address: number, bytes: number): ArrayBuffer | null {
  return bytes <= LARGEST_VIEW ? library.view(address, bytes) : null
}

function isaCode(isa: Isa): number {
  const codes = ISA_CODES[process.arch] ?? { auto: 0 }
  const code = codes[isa]
  if (code !== undefined) return code
  throw new TrituneError('E_DEVICE', `${process.arch} has no instruction set ${isa}`, {
    remedy: `one of ${Object.keys(codes).join(', ')}`,
  })
}

function describe(library: NativeLibrary): string {
  const { isa, threads } = library.info
  if (typeof isa !== 'string')
    throw new TrituneError('E_LIBRARY', 'tt_build_info names no instruction set', { place: library.path })
  const { gemm, auto, blas } = library.options()
  const isBlas = gemm === 'blas' || (gemm === 'auto' && auto === 'blas')
  const products = isBlas ? `, products by ${basename(String(blas))}` : ''
  return `cpu (${isa}, ${String(threads)} ${threads === 1 ? 'thread' : 'threads'}${products})`
}
