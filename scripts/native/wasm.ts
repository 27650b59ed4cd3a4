/**
 * The WebAssembly builds of native/cpu: features and link. One module serves one thread and many: its memory is imported, and
 * plugins/wasm says whether that is shared.
 */
import { mkdirSync, renameSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { SYMBOLS } from '../../core/native/symbols.ts'
import { ROOT, run } from './process.ts'
import { zig } from './zig.ts'

/** Of objects and of the link, which compiles zig's C library for them. Atomics are for memory that may be shared. */
export const WASM_FEATURES =
  '-mcpu=generic+simd128+atomics+bulk_memory+nontrapping_fptoint+sign_ext+mutable_globals'

/** The first thread's stack; that of the others is in platform/wasm.cpp. */
const STACK_BYTES = 1048576
/** 65535 pages: a size of 32 bits cannot say one more. */
const MOST_BYTES = 65535 * 65536
/** What the host needs beside the functions of the header. */
const FOR_THREADS = ['__stack_pointer', '__wasm_init_tls', 'tritune_thread']

export interface WasmLink {
  readonly features: string
  readonly output: string
  readonly objects: readonly string[]
}

/** As C: nothing of libc++ is linked. The linker refuses a function of the header that no source defines. */
export async function linkWasm({ features, output, objects }: WasmLink): Promise<void> {
  mkdirSync(dirname(join(ROOT, output)), { recursive: true })
  await run([
    ...(await zig()),
    'cc',
    '-target',
    'wasm32-wasi',
    features,
    '-O3',
    '-mexec-model=reactor',
    '-Wl,--strip-all,--gc-sections,--import-memory,--shared-memory',
    `-Wl,--max-memory=${MOST_BYTES}`,
    `-Wl,-z,stack-size=${STACK_BYTES}`,
    ...[...Object.keys(SYMBOLS), ...FOR_THREADS].map((name) => `-Wl,--export=${name}`),
    '-o',
    `${output}.new`,
    ...objects,
  ])
  renameSync(join(ROOT, `${output}.new`), join(ROOT, output))
}
