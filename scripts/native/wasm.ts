/**
 * Compiles native/cpu to WebAssembly with zig: native/prebuilt/wasm/tritune_cpu.wasm, and tritune_cpu_relaxed.wasm for engines
 * with relaxed SIMD. Called by scripts/build-native.ts.
 *
 * Each is one module for one thread and for many: its memory is imported, and plugins/wasm says whether it is shared.
 */
import { mkdirSync, readFileSync, renameSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { writeMacros } from './library.ts'
import { compileAll, type Unit } from './objects.ts'
import { ROOT, run } from './process.ts'
import { nativeSourceHash, nativeSources } from './source-hash.ts'
import { zigCommand } from './zig.ts'

export type WasmVariant = 'plain' | 'relaxed'

export const WASM_OUTPUTS: { readonly [V in WasmVariant]: string } = {
  plain: 'native/prebuilt/wasm/tritune_cpu.wasm',
  relaxed: 'native/prebuilt/wasm/tritune_cpu_relaxed.wasm',
}

/** Builds both; their paths. */
export async function buildWasm(): Promise<string[]> {
  return [await buildVariant('plain'), await buildVariant('relaxed')]
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const HEADER = 'native/include/tritune.h'

// Atomics are for memory that may be shared. The C library is zig's own, compiled for the same features.
const FEATURES = 'simd128+atomics+bulk_memory+nontrapping_fptoint+sign_ext+mutable_globals+multivalue'
const TARGET = ['-target', 'wasm32-wasi']
const COMMON: readonly string[] =
  '-std=c++20 -O3 -fvisibility=hidden -ffunction-sections -fdata-sections -fno-exceptions -fno-rtti \
  -fno-threadsafe-statics -fno-math-errno -fno-trapping-math -fno-sanitize=all -Wall -Wextra -Wno-unused-parameter'.split(
    /\s+/,
  )
const KERNEL = ['-DTT_ISA=wasm', '-DTT_WASM=1']

// The first thread's stack; that of the others is in platform/wasm.cpp.
const STACK_BYTES = 1048576
// 65535 pages: a size of 32 bits cannot say one more.
const MOST_BYTES = 65535 * 65536
/** What the host needs beside the functions of the header. */
const FOR_THREADS = ['__stack_pointer', '__wasm_init_tls', 'tritune_thread']

function cpuOf(variant: WasmVariant): string {
  return `-mcpu=generic+${FEATURES}${variant === 'relaxed' ? '+relaxed_simd' : ''}`
}

function sources(): { readonly base: string[]; readonly kernels: string[] } {
  const all = nativeSources('cpu').filter((path) => path.endsWith('.cpp'))
  const kernels = all.filter((path) => path.endsWith('.kernel.cpp'))
  const base = all.filter(
    (path) =>
      /\/[^/.]+(?:\.wasm)?\.cpp$/.test(path) &&
      (!path.includes('/platform/') || path.endsWith('/wasm.cpp')),
  )
  return { base, kernels }
}

async function buildVariant(variant: WasmVariant): Promise<string> {
  const zig = await zigCommand()
  const version = (await run([...zig, 'version'])).out.trim()
  const folder = `native/build/wasm-${variant}`
  mkdirSync(join(ROOT, folder), { recursive: true })
  const started = performance.now()
  const functions = [...readFileSync(join(ROOT, HEADER), 'utf8').matchAll(/^TT_API [\w\s*]*?\b(tt_\w+)\(/gm)]
    .map(([, name]) => name)
    .toSorted()
  // The header says what there is: the linker refuses a name that no source defines.
  writeMacros(`${folder}/generated.h`, {
    TT_SYMBOL_NAMES: functions.join('\\n'),
    TT_SOURCE_HASH: nativeSourceHash('cpu'),
    TT_COMPILER: `zig ${version}`,
  })
  const unit = (source: string, flags: readonly string[]): Unit => {
    const extra =
      /^\/\/ build-flags: (.+)$/m.exec(readFileSync(join(ROOT, source), 'utf8'))?.[1]?.split(/\s+/) ?? []
    return {
      source,
      object: `${folder}/${basename(dirname(source))}-${basename(source, '.cpp')}.o`,
      compiler: version,
      command: [
        ...zig,
        'c++',
        ...TARGET,
        cpuOf(variant),
        ...COMMON,
        `-I${folder}`,
        ...flags,
        ...extra.filter((flag) => !flag.startsWith('-m')),
      ],
    }
  }
  const { base, kernels } = sources()
  const units = [...kernels.map((source) => unit(source, KERNEL)), ...base.map((source) => unit(source, []))]
  const compiled = await compileAll(units, { onCompiled: ({ log }) => void process.stderr.write(log) })
  const output = WASM_OUTPUTS[variant]
  await link(
    zig,
    variant,
    output,
    units.map(({ object }) => object),
    functions,
  )
  const fresh = compiled.filter((one) => one.fresh).length
  const kilobytes = Math.round(statSync(join(ROOT, output)).size / 1000)
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  console.log(`${output}: ${kilobytes} kB, ${fresh} of ${units.length} objects compiled in ${seconds} s`)
  return output
}

/** As C: nothing of libc++ is linked. */
async function link(
  zig: readonly string[],
  variant: WasmVariant,
  output: string,
  objects: readonly string[],
  functions: readonly string[],
): Promise<void> {
  mkdirSync(dirname(join(ROOT, output)), { recursive: true })
  await run([
    ...zig,
    'cc',
    ...TARGET,
    cpuOf(variant),
    '-O3',
    '-mexec-model=reactor',
    '-Wl,--strip-all',
    '-Wl,--gc-sections',
    '-Wl,--import-memory,--shared-memory',
    `-Wl,--max-memory=${MOST_BYTES}`,
    `-Wl,-z,stack-size=${STACK_BYTES}`,
    ...[...functions, ...FOR_THREADS].map((name) => `-Wl,--export=${name}`),
    '-o',
    `${output}.new`,
    ...objects,
  ])
  renameSync(join(ROOT, `${output}.new`), join(ROOT, output))
}

if (import.meta.main) await buildWasm()
