/**
 * libtritune_cpu as a WebAssembly module: checks it, gives it a heap and threads, and binds its functions. Where its bytes come
 * from is not its business.
 */
import { TrituneError } from '../../core/mod.ts'
import { type CheckedFunctions, checkedFunctions } from '../../core/native/checked-functions.ts'
import { ABI_VERSION, type NativeFunctions } from '../../core/native/symbols.ts'
import { type Exports, functionsOf, type StackPointer } from './call.ts'
import { engineOf } from './engine.ts'
import { createHeap, type Heap, MOST_PAGES, PAGE } from './heap.ts'
import { expectWholeModule, importedPages, withSharedMemory } from './module-bytes.ts'
import type { Workers } from './threads.ts'

export interface WasmLibrary {
  readonly place: string
  readonly heap: Heap
  readonly call: CheckedFunctions
  /** What `tt_build_info` says now. */
  readonly info: Readonly<Record<string, unknown>>
}

export interface WasmLibraryOptions {
  readonly bytes: Uint8Array
  /** Where they come from, for errors. */
  readonly place: string
  /** Who runs its threads; null: there is one, and its memory is nobody else's. */
  readonly workers: Workers | null
  /** Bytes that the heap may grow to; default: the most that the engine reserves, 4 GiB at best. */
  readonly heap?: number
  /** What to do about a module that cannot be used. */
  readonly remedy: string
}

/** Throws E_LIBRARY for an engine without SIMD and for a module that is damaged, cut off, or of another ABI; E_MEMORY for a heap that cannot be. */
export function openWasmLibrary({
  bytes,
  place,
  workers,
  heap: most,
  remedy,
}: WasmLibraryOptions): WasmLibrary {
  expectSimd()
  expectWholeModule(bytes, place, remedy)
  const pages = importedPages(bytes)
  if (pages === null)
    throw new TrituneError('E_LIBRARY', 'the module is not of tritune: it imports no memory', {
      place,
      remedy,
    })
  const heap = createHeap({
    firstPages: pages.first,
    mostPages: most === undefined ? DEFAULTS : [Math.min(Math.floor(most / PAGE), pages.most)],
    shared: workers !== null,
  })
  const exports = instantiate(withSharedMemory(bytes, workers !== null), { heap, workers, place, remedy })
  const stack = exports['__stack_pointer']
  if (!isPointer(stack))
    throw new TrituneError('E_LIBRARY', 'the module is not of tritune: it exports no stack', {
      place,
      remedy,
    })
  const out = new Uint32Array(2)
  const functions: Partial<NativeFunctions> = functionsOf({
    heap,
    exports,
    stack,
    allocate(size) {
      call.tt_alloc(out, size)
      return out[0]
    },
    free: (address) => call.tt_free(address),
  })
  const { tt_abi_version: version, tt_last_error: lastError, tt_build_info: buildInfo } = functions
  if (!version || !lastError || !buildInfo)
    throw new TrituneError('E_LIBRARY', 'the module is not of tritune: it has no tt_abi_version', {
      place,
      remedy,
    })
  if (version() !== ABI_VERSION)
    throw new TrituneError(
      'E_LIBRARY',
      `the module has ABI version ${version()}, this tritune needs ${ABI_VERSION}`,
      { place, remedy },
    )
  const call = checkedFunctions(functions, {
    place,
    lastError,
    missingRemedy: () => remedy,
    memoryRemedy: 'a smaller model or batch needs less; the native library has no limit of its own',
  })
  return {
    place,
    heap,
    call,
    get info() {
      const info: Record<string, unknown> = JSON.parse(buildInfo())
      return info
    },
  }
}

/** Pages: some engines and machines reserve less than others. */
const DEFAULTS: readonly number[] = [MOST_PAGES, 32768, 16384, 8192]

// ---- helpers ----------------------------------------------------------------------------------------------------

function expectSimd(): void {
  if (engineOf().simd) return
  throw new TrituneError(
    'E_LIBRARY',
    'this engine runs no WebAssembly with SIMD, which the kernels are made of',
    {
      remedy: 'use a browser of 2023 or newer, or Node 22, Deno 2.9 or Bun 1.4',
    },
  )
}

interface Surroundings extends Pick<WasmLibraryOptions, 'workers' | 'place' | 'remedy'> {
  readonly heap: Heap
}

function instantiate(
  bytes: Uint8Array<ArrayBuffer>,
  { heap: { memory }, workers, place, remedy }: Surroundings,
): Exports {
  try {
    const module = new WebAssembly.Module(bytes)
    const env = {
      memory,
      now: () => performance.now(),
      start_thread(start: number, stack: number, locals: number) {
        const thread = { module, memory, start: start >>> 0, stack: stack >>> 0, locals: locals >>> 0 }
        return Number(workers?.run(thread) ?? false)
      },
    }
    const { exports } = new WebAssembly.Instance(module, { env })
    const { _initialize: initialize } = exports
    if (typeof initialize === 'function') initialize()
    return exports
  } catch (cause) {
    throw new TrituneError(
      'E_LIBRARY',
      `this engine cannot use the module: ${cause instanceof Error ? cause.message : String(cause)}`,
      { place, remedy, cause },
    )
  }
}

function isPointer(value: unknown): value is StackPointer {
  return value instanceof WebAssembly.Global && typeof value.value === 'number'
}
