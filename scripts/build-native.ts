/**
 * `bun run native`: compiles native/cpu into native/prebuilt/linux-x64/libtritune_cpu.so with g++ (12 or newer).
 * `bun run native --variant=asan|ubsan|tsan`: the same under a sanitizer, into native/build (scripts/sanitize.ts runs it).
 *
 * Three kinds of sources in the rooms of native/cpu, told apart by how their names end:
 *  - *.cpp          once, for any x86-64: entry points, validation, dispatch, threads, memory
 *  - *.kernel.cpp   twice, for AVX2 and for AVX-512, all their code in `namespace tt::TT_ISA`
 *  - *.amx.cpp      once, for AVX-512 + AMX
 * A source may ask for more flags with a line `// build-flags: -f…`. An object is rebuilt when its flags or the content
 * of a file it includes changed. This is no general build system: one library, one compiler.
 */
import { mkdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import { functionNames, linkShared, writeMacros } from './native/library.ts'
import { compileAll, type Compiled, type Unit } from './native/objects.ts'
import { ROOT, run } from './native/process.ts'
import { CPU_OUTPUTS, type CpuVariant, SANITIZERS } from './native/sanitizers.ts'
import { nativeSourceHash, nativeSources } from './native/source-hash.ts'

const BUILD = 'native/build'

// No C++ run-time library may be needed: no exceptions, no RTTI, no guards around statics.
const COMMON: readonly string[] =
  '-std=c++17 -fPIC -fvisibility=hidden -ffunction-sections -fdata-sections -fno-exceptions -fno-rtti \
  -fno-threadsafe-statics -fno-asynchronous-unwind-tables -fno-math-errno -fno-trapping-math -Wall -Wextra \
  -Wno-psabi -Wno-unused-parameter'.split(/\s+/)
const BASE = ['-O2', '-march=x86-64', '-mtune=generic']
const AVX2 = ['-O3', '-march=x86-64-v3', '-DTT_ISA=avx2', '-DTT_AVX2=1']
// GCC 12 reports its own AVX-512 intrinsics as uninitialised.
const V4 = '-O3 -march=x86-64-v4 -mprefer-vector-width=512 -Wno-uninitialized -Wno-maybe-uninitialized'.split(
  ' ',
)
// Without avx512bf16: the first AVX-512 servers lack it.
const AVX512: readonly string[] = [...V4, '-DTT_ISA=avx512', '-DTT_AVX512=1']
const AMX: readonly string[] = [...V4, '-mavx512bf16', '-mamx-tile', '-mamx-bf16']

type SourceKind = 'base' | 'kernel' | 'amx'

function sourcesOf(kind: SourceKind): string[] {
  return nativeSources('cpu').filter((path) => path.endsWith('.cpp') && kindOf(path) === kind)
}

function kindOf(path: string): SourceKind {
  if (path.endsWith('.kernel.cpp')) return 'kernel'
  return path.endsWith('.amx.cpp') ? 'amx' : 'base'
}

function sanitizerOf(variant: CpuVariant): readonly string[] {
  return variant === 'plain' ? [] : SANITIZERS[variant]
}

type MakeUnit = (source: string, isa: string, flags: readonly string[]) => Unit

function unitsOf(variant: CpuVariant): MakeUnit {
  const folder = variant === 'plain' ? BUILD : `${BUILD}/cpu-${variant}`
  const sanitizer = sanitizerOf(variant)
  return (source, isa, flags) => {
    const extra =
      /^\/\/ build-flags: (.+)$/m.exec(readFileSync(join(ROOT, source), 'utf8'))?.[1]?.split(/\s+/) ?? []
    const object = `${folder}/${basename(source, '.cpp')}.${isa}.o`
    return { source, object, command: ['g++', ...COMMON, ...flags, ...extra, ...sanitizer] }
  }
}

/** What abi.cpp reports: the names of the functions, the hash of the sources, the compiler. */
async function writeGenerated(objects: readonly string[]): Promise<void> {
  const compiler = (await run(['g++', '-dumpfullversion'])).out.trim()
  writeMacros(`${BUILD}/generated.h`, {
    TT_SYMBOL_NAMES: (await functionNames(objects)).join('\\n'),
    TT_SOURCE_HASH: nativeSourceHash('cpu'),
    TT_COMPILER: `g++ ${compiler}`,
  })
}

/** Returns the path of the library. */
export async function buildNative(variant: CpuVariant = 'plain'): Promise<string> {
  const unit = unitsOf(variant)
  const output = CPU_OUTPUTS[variant]
  mkdirSync(join(ROOT, BUILD), { recursive: true })
  const started = performance.now()
  const base = sourcesOf('base').map((source) => unit(source, 'base', BASE))
  const kernels = sourcesOf('kernel').flatMap((source) => [
    unit(source, 'avx2', AVX2),
    unit(source, 'avx512', AVX512),
  ])
  const amx = sourcesOf('amx').map((source) => unit(source, 'amx', AMX))
  const all = [...amx, ...kernels, ...base]
  const last = all.filter((one) => one.source.endsWith('/abi.cpp'))
  const first = all.filter((one) => !last.includes(one))
  const onCompiled = ({ log }: Compiled): void => void process.stderr.write(log)
  const objects = await compileAll(first, { onCompiled })
  await writeGenerated(first.map((one) => one.object))
  objects.push(...(await compileAll(last, { onCompiled })))
  // gcc, not g++: nothing of libstdc++ may be linked.
  await linkShared({
    linker: 'gcc',
    output,
    objects: all.map((one) => one.object),
    last: [...sanitizerOf(variant).filter((flag) => flag.startsWith('-fsanitize')), '-lm'],
    allowUndefined: variant !== 'plain',
  })
  const compiled = objects.filter(({ fresh }) => fresh).length
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  console.log(`${output}: ${compiled} of ${all.length} objects compiled in ${seconds} s`)
  return output
}

function variantOf(name: string): CpuVariant {
  const known = Object.keys(CPU_OUTPUTS) as CpuVariant[]
  const variant = known.find((one) => one === name)
  if (!variant) throw new Error(`there are the variants ${known.join(', ')}, got ${name}`)
  return variant
}

if (import.meta.main) {
  try {
    const { values } = parseArgs({ options: { variant: { type: 'string', default: 'plain' } } })
    await buildNative(variantOf(values.variant))
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    process.exit(1)
  }
}
