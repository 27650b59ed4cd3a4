/**
 * `bun run native`: compiles native/cpu into native/prebuilt/linux-x64/libtritune_cpu.so with g++ (12 or newer).
 * `bun run native --target=linux-arm64`: for another system, with zig; `--target=all` for every one (native/targets.ts).
 * `bun run native --variant=asan|ubsan|tsan`: under a sanitizer, into native/build (scripts/sanitize.ts runs it).
 * `bun run native --library=dist`: libtritune_dist alone (native/dist.ts), which is made with the CPU library else.
 *
 * Sources in the rooms of native/cpu are told apart by how their names end:
 *  - *.cpp          once: entry points, validation, dispatch, threads, memory
 *  - *.kernel.cpp   once for each instruction set of the target, all their code in `namespace tt::TT_ISA`
 *  - *.amx.cpp      on x86-64, for AVX-512 + AMX; *.vnni.cpp for AVX-512 with VNNI and VPOPCNTDQ; *.neon.cpp on ARM64, for
 *                   what came after NEON
 *  - *.x64.cpp, *.arm64.cpp, *.wasm.cpp, and the folder platform: where they belong
 * A source may ask for more flags with a line `// build-flags: -f…`. An object is rebuilt when its flags or the content
 * of a file it includes changed. This is no general build system: two libraries.
 */
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { SYMBOLS } from '../core/native/symbols.ts'
import { buildDist, hasDist } from './native/dist.ts'
import { functionNames, linkFor, writeMacros } from './native/library.ts'
import { compileAll, type Compiled, type Unit } from './native/objects.ts'
import { ROOT } from './native/process.ts'
import { CPU_VARIANTS, type CpuVariant, outputOf, SANITIZERS } from './native/sanitizers.ts'
import { nativeSourceHash, nativeSources } from './native/source-hash.ts'
import { compilerOf, type Target, type TargetName, TARGETS } from './native/targets.ts'

const BUILD = 'native/build'

// No C++ run-time library may be needed: no exceptions, no RTTI, no guards around statics.
const COMMON: readonly string[] =
  '-std=c++17 -fvisibility=hidden -fno-exceptions -fno-rtti -fno-threadsafe-statics -fno-math-errno \
  -fno-trapping-math -ffp-contract=fast -Wall -Wextra -Wno-psabi -Wno-unused-parameter'.split(/\s+/)

/** What the middle of a name may say: for whom the source is. */
const PLACES = new Set(['x64', 'arm64', 'wasm', 'linux', 'macos', 'posix', 'windows'])

/** What it says for CPUs that have more than the kernels need. */
const MORE = ['amx', 'vnni', 'neon'] as const

interface Kinds {
  readonly base: readonly string[]
  readonly kernel: readonly string[]
  /** Written for CPUs that have more. */
  readonly more: readonly string[]
}

function sourcesFor({ parts }: Target): Kinds {
  const sources = nativeSources('cpu').filter((path) => path.endsWith('.cpp'))
  const wanted = sources.filter((path) => {
    const names = basename(path, '.cpp').split('.')
    const place = dirname(path).endsWith('/platform') ? names[0] : names[1]
    return place === undefined || !PLACES.has(place) || parts.includes(place)
  })
  const isKernel = (path: string): boolean => path.endsWith('.kernel.cpp')
  const isMore = (path: string): boolean => MORE.some((name) => path.endsWith(`.${name}.cpp`))
  return {
    base: wanted.filter((path) => !isKernel(path) && !isMore(path)),
    kernel: wanted.filter(isKernel),
    more: wanted.filter(isMore),
  }
}

export interface NativeBuild {
  readonly target?: TargetName
  readonly variant?: CpuVariant
}

/** Returns the path of the library. */
export async function buildNative({
  target: name = 'linux-x64',
  variant = 'plain',
}: NativeBuild = {}): Promise<string> {
  const target = TARGETS[name]
  if (variant !== 'plain' && name !== 'linux-x64') throw new Error('only linux-x64 is built with sanitizers')
  const sanitizer = variant === 'plain' ? [] : SANITIZERS[variant]
  const folder = variant === 'plain' ? `${BUILD}/${name}` : `${BUILD}/cpu-${variant}`
  const output = outputOf(target, variant)
  const started = performance.now()
  const { command, name: compiler } = await compilerOf(target)
  mkdirSync(join(ROOT, folder), { recursive: true })
  const unit = (source: string, isa: string, flags: readonly string[]): Unit => ({
    source,
    object: `${folder}/${basename(source, '.cpp')}.${isa}.o`,
    command: [
      ...command,
      ...COMMON,
      ...(target.format === 'pe' && source.endsWith('/abi.cpp') ? ['-include', writeExports(folder)] : []),
      ...(target.format === 'elf' ? ['-fPIC'] : []),
      ...target.flags,
      ...flags,
      `-I${folder}`,
      ...flagsOf(source),
      ...sanitizer,
    ],
    compiler,
  })
  const sources = sourcesFor(target)
  const all = [
    ...sources.more.flatMap((source) => {
      const isa = MORE.find((name) => source.endsWith(`.${name}.cpp`)) ?? 'neon'
      const flags = target[isa]
      return flags ? [unit(source, isa, flags)] : []
    }),
    ...sources.kernel.flatMap((source) => target.kernels.map(({ isa, flags }) => unit(source, isa, flags))),
    ...sources.base.map((source) => unit(source, 'base', target.base)),
  ]
  const last = all.filter((one) => one.source.endsWith('/abi.cpp'))
  const first = all.filter((one) => !last.includes(one))
  const onCompiled = ({ log }: Compiled): void => void process.stderr.write(log)
  const objects = await compileAll(first, { onCompiled })
  writeMacros(`${folder}/generated.h`, {
    TT_SYMBOL_NAMES: (
      await functionNames(
        first.map((one) => one.object),
        target.format,
      )
    ).join('\\n'),
    TT_SOURCE_HASH: nativeSourceHash('cpu'),
    TT_COMPILER: compiler,
  })
  objects.push(...(await compileAll(last, { onCompiled })))
  await linkFor(target, {
    output,
    objects: all.map((one) => one.object),
    last: sanitizer.filter((flag) => flag.startsWith('-fsanitize')),
    allowUndefined: variant !== 'plain',
  })
  const compiled = objects.filter(({ fresh }) => fresh).length
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  const size = (statSync(join(ROOT, output)).size / 1e6).toFixed(2)
  console.log(
    `${output}: ${compiled} of ${all.length} objects compiled in ${seconds} s, ${size} MB (${compiler})`,
  )
  return output
}

/** Windows exports what an object asks for: visibility means nothing there. */
function writeExports(folder: string): string {
  const names = Object.keys(SYMBOLS).map((name) => `.ascii \\" -export:${name}\\"\\n`)
  const file = `${folder}/exports.h`
  writeFileSync(join(ROOT, file), `__asm__(".section .drectve,\\"yn\\"\\n${names.join('')}.text\\n");\n`)
  return file
}

function flagsOf(source: string): readonly string[] {
  const text = readFileSync(join(ROOT, source), 'utf8')
  return /^\/\/ build-flags: (.+)$/m.exec(text)?.[1]?.split(/\s+/) ?? []
}

function chosen<Name extends string>(what: string, known: readonly Name[], name: string): Name {
  const found = known.find((one) => one === name)
  if (!found) throw new Error(`there are the ${what} ${known.join(', ')}, got ${name}`)
  return found
}

const LIBRARY_NAMES = ['all', 'cpu', 'dist'] as const

if (import.meta.main) {
  try {
    const { values } = parseArgs({
      options: {
        target: { type: 'string', default: 'linux-x64' },
        variant: { type: 'string', default: 'plain' },
        library: { type: 'string', default: 'all' },
      },
    })
    const names = Object.keys(TARGETS) as TargetName[]
    const variant = chosen('variants', CPU_VARIANTS, values.variant)
    const bundled = names.filter((name) => TARGETS[name].output.startsWith('native/prebuilt/'))
    const targets =
      values.target === 'all' ? bundled : values.target.split(',').map((one) => chosen('targets', names, one))
    const library = chosen('libraries', LIBRARY_NAMES, values.library)
    for (const target of targets) {
      if (library !== 'dist') await buildNative({ target, variant })
      if (library !== 'cpu' && variant === 'plain' && hasDist(target)) await buildDist(target)
    }
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    process.exit(1)
  }
}
