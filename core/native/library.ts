/**
 * Finds, checks and opens a native library: libtritune_cpu or libtritune_cuda.
 *
 * Nothing is opened at import time. First four symbols are bound to ask for the ABI version and for the list of what
 * this build has; only then the rest, so that a library of another version is refused with both numbers instead of
 * crashing.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { TrituneError } from '../errors.ts'
import { type CheckedFunctions, checkedFunctions, symbolNames } from './checked-functions.ts'
import { cudaDriverVersion, cudaLibraryFiles } from './cuda-driver.ts'
import { expectLibrary, openFailure } from './expect-library.ts'
import {
  type FfiFunction,
  type FfiTable,
  type NativeModule,
  expectForeignFunctions,
  openModule,
} from './ffi.ts'
import { type LibraryDevice, libraryFolders } from './platform-packages.ts'
import { libraryRemedy, libraryVariable } from './library-remedy.ts'
import { CPU_PLATFORMS, GPU_PLATFORMS, libraryFileName, noCpuLibrary, noGpuLibrary } from './platforms.ts'
import { ABI_VERSION, type NativeFunctions, SYMBOLS } from './symbols.ts'

export type { CheckedFunctions } from './checked-functions.ts'
export type { LibraryDevice } from './platform-packages.ts'
export { PLATFORM } from './platforms.ts'

export interface NativeLibrary {
  readonly path: string
  /** What `tt_build_info` says now: device, compiler, instruction set, threads, hash of the sources… */
  readonly info: Readonly<Record<string, unknown>>
  /** Every function that returns a status, wrapped: a negative status throws E_NATIVE (E_MEMORY: no memory left) with the library's message. */
  readonly call: CheckedFunctions
  /** The devices that the library can use, or why there are none. */
  devices(): DeviceList
  /** How ops are done (`tt_option_set`), and what `auto` became. */
  options(): Readonly<Record<string, unknown>>
  view(address: number, bytes: number): ArrayBuffer
  has(name: keyof NativeFunctions): boolean
}

/** What `tt_devices` says. */
export interface DeviceList {
  /** Of CUDA, 13000 = 13.0; 0: none. */
  readonly driver: number
  readonly runtime: number
  /** Why no device can be used, and what to do. */
  readonly problem: string | null
  readonly remedy: string | null
  readonly devices: readonly DeviceFacts[]
}

export interface DeviceFacts {
  readonly name: string
  /** Compute capability, 90 = 9.0. */
  readonly capability: number
  readonly multiprocessors: number
  /** Bytes; `free` is 0 for a GPU that is not in use by this process. */
  readonly memory: number
  readonly free: number
}

/** Where the library of a device is looked for: the environment variable, or the bundled builds, the best first. */
export function libraryCandidates(device: LibraryDevice): string[] {
  const override = process.env[libraryVariable(device)]
  if (override) return [override]
  const own = libraryFileName(`tritune_${device.replace('-', '_')}`)
  const files = device === 'cuda' ? cudaLibraryFiles(cudaDriverVersion()) : [own]
  return libraryFolders(device).flatMap((folder) => files.map((file) => join(folder, file)))
}

/** Opens the library of a device, or throws E_LIBRARY saying what was looked for, where, and what to do. */
export function openLibrary(device: LibraryDevice): NativeLibrary {
  const candidates = libraryCandidates(device)
  const path = candidates.find((candidate) => existsSync(candidate))
  if (path !== undefined) return bind(path)
  if (process.env[libraryVariable(device)] === undefined) expectMade(device)
  // Whether this runtime can open libraries at all is the better thing to say.
  expectForeignFunctions()
  throw new TrituneError(
    'E_LIBRARY',
    `libtritune_${device} is not there: looked for ${candidates.join(', ')}`,
    { remedy: libraryRemedy(candidates[0], 'missing') },
  )
}

/** Nobody has to look for a library that there is none of. */
function expectMade(device: LibraryDevice): void {
  const why = device === 'cpu' ? noCpuLibrary() : noGpuLibrary()
  if (why === null) return
  const made = device === 'cpu' ? CPU_PLATFORMS : GPU_PLATFORMS
  throw new TrituneError('E_LIBRARY', why, {
    remedy: `there are libraries for ${made.join(', ')}; device: auto takes what this machine has`,
  })
}

/** Opens one file, wherever it is. Throws E_LIBRARY when it is damaged or of another version. */
export function openLibraryAt(path: string): NativeLibrary {
  return bind(path)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

type Bootstrap = Pick<NativeFunctions, 'tt_abi_version' | 'tt_symbols' | 'tt_last_error' | 'tt_build_info'>

const BOOTSTRAP: FfiTable<Bootstrap> = {
  tt_abi_version: SYMBOLS.tt_abi_version,
  tt_symbols: SYMBOLS.tt_symbols,
  tt_last_error: SYMBOLS.tt_last_error,
  tt_build_info: SYMBOLS.tt_build_info,
}

function bind(path: string): NativeLibrary {
  expectLibrary(path)
  const bootstrap = open<Bootstrap>(path, BOOTSTRAP)
  const version = bootstrap.functions.tt_abi_version()
  if (version !== ABI_VERSION) {
    throw new TrituneError(
      'E_LIBRARY',
      `the library has ABI version ${version}, this tritune needs ${ABI_VERSION}`,
      {
        place: path,
        remedy: libraryRemedy(path, 'other'),
      },
    )
  }
  const present = new Set(bootstrap.functions.tt_symbols().split('\n'))
  const table: Partial<Record<keyof NativeFunctions, FfiFunction>> = {}
  for (const name of symbolNames()) if (present.has(name)) table[name] = SYMBOLS[name]
  const module = open<NativeFunctions>(path, table as FfiTable<NativeFunctions>)
  return {
    path,
    get info() {
      const info: Record<string, unknown> = JSON.parse(bootstrap.functions.tt_build_info())
      return info
    },
    call: checkedFunctions(module.functions, {
      place: path,
      lastError: () => bootstrap.functions.tt_last_error(),
      missingRemedy: () => libraryRemedy(path, 'other'),
      memoryRemedy: 'a smaller model or batch needs less, and the CPU may have more',
    }),
    devices: () => JSON.parse(module.functions.tt_devices()),
    options: () => JSON.parse(module.functions.tt_options()),
    view: (address, bytes) => module.view(address, bytes),
    has: (name) => present.has(name),
  }
}

function open<F>(path: string, table: FfiTable<F>): NativeModule<F> {
  try {
    return openModule<F>(path, table)
  } catch (cause) {
    if (cause instanceof TrituneError) throw cause
    throw openFailure(path, cause)
  }
}
