/**
 * `bun run native`: compiles native/cpu into native/prebuilt/linux-x64/libtritune_cpu.so with g++ (12 or newer).
 *
 * Three kinds of sources, told apart by their folder:
 *  - native/cpu/*.cpp           once, for any x86-64: entry points, validation, dispatch, threads, memory
 *  - native/cpu/kernels/*.cpp   twice, for AVX2 and for AVX-512, all their code in `namespace tt::TT_ISA`
 *  - native/cpu/amx/*.cpp       once, for AVX-512 + AMX
 * A source may ask for more flags with a line `// build-flags: -f…`. An object is rebuilt when its flags or the content
 * of a file it includes changed. This is no general build system: one library, one compiler.
 */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { basename, join } from 'node:path'
import { nativeSourceHash } from './native-source-hash.ts'

const ROOT: string = join(import.meta.dir, '..')
const BUILD = 'native/build'
const OUTPUT = 'native/prebuilt/linux-x64/libtritune_cpu.so'

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

interface Unit {
  readonly source: string
  readonly object: string
  readonly flags: readonly string[]
}

function sourcesIn(folder: string): string[] {
  if (!existsSync(join(ROOT, folder))) return []
  const names = readdirSync(join(ROOT, folder)).filter((name) => name.endsWith('.cpp'))
  return names.toSorted().map((name) => `${folder}/${name}`)
}

function unit(source: string, variant: string, flags: readonly string[]): Unit {
  const extra =
    /^\/\/ build-flags: (.+)$/m.exec(readFileSync(join(ROOT, source), 'utf8'))?.[1]?.split(/\s+/) ?? []
  const object = `${BUILD}/${basename(source, '.cpp')}.${variant}.o`
  return { source, object, flags: [...COMMON, ...flags, ...extra] }
}

async function run(command: readonly string[]): Promise<string> {
  const child = Bun.spawn([...command], { cwd: ROOT, stdout: 'pipe', stderr: 'pipe' })
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ])
  if (err !== '') process.stderr.write(err)
  if (code !== 0) throw new Error(`${command[0]} failed on ${command.at(-1)}`)
  return out
}

/** Digest of the flags and of every file the object was made from; '' when the object was never built. */
function fingerprint({ object, flags }: Unit): string {
  const dependencies = join(ROOT, `${object}.d`)
  if (!existsSync(dependencies)) return ''
  const hash = createHash('sha256').update(flags.join('\0'))
  const files = readFileSync(dependencies, 'utf8')
    .replace(/^.*?:/, '')
    .replaceAll('\\\n', ' ')
    .trim()
    .split(/\s+/)
  for (const file of files) {
    const path = join(ROOT, file)
    if (!existsSync(path)) return ''
    hash.update(readFileSync(path))
  }
  return hash.digest('hex')
}

async function compile(target: Unit): Promise<boolean> {
  const stamp = join(ROOT, `${target.object}.stamp`)
  const built = existsSync(stamp) && existsSync(join(ROOT, target.object)) ? readFileSync(stamp, 'utf8') : ''
  if (built !== '' && built === fingerprint(target)) return false
  const dependencies = ['-MMD', '-MF', `${target.object}.d`]
  await run(['g++', ...target.flags, ...dependencies, '-o', target.object, '-c', target.source])
  writeFileSync(stamp, fingerprint(target))
  return true
}

async function compileAll(units: readonly Unit[]): Promise<number> {
  const queue = [...units]
  let compiled = 0
  const lane = async (): Promise<void> => {
    for (let next = queue.shift(); next; next = queue.shift()) if (await compile(next)) compiled++
  }
  await Promise.all(Array.from({ length: availableParallelism() }, lane))
  return compiled
}

/** Writes what abi.cpp reports about the build: the names of the functions, the hash of the sources, the compiler. */
async function writeGenerated(objects: readonly string[]): Promise<void> {
  const table = await run(['nm', '--defined-only', '--format=posix', ...objects])
  const names = new Set(['tt_symbols', 'tt_build_info'])
  for (const [, name] of table.matchAll(/^(tt_\w+) T/gm)) names.add(name)
  const compiler = (await run(['g++', '-dumpfullversion'])).trim()
  const content = [
    `#define TT_SYMBOL_NAMES "${[...names].toSorted().join('\\n')}"`,
    `#define TT_SOURCE_HASH "${nativeSourceHash()}"`,
    `#define TT_COMPILER "g++ ${compiler}"`,
    '',
  ].join('\n')
  const path = join(ROOT, BUILD, 'generated.h')
  if (!existsSync(path) || readFileSync(path, 'utf8') !== content) writeFileSync(path, content)
}

async function link(objects: readonly string[]): Promise<void> {
  mkdirSync(join(ROOT, 'native/prebuilt/linux-x64'), { recursive: true })
  writeFileSync(join(ROOT, BUILD, 'exports.map'), '{ global: tt_*; local: *; };\n')
  const flags = [
    '-shared',
    '-s',
    '-Wl,--gc-sections',
    '-Wl,--as-needed',
    '-Wl,--build-id=none',
    '-Wl,-z,defs,-z,noexecstack',
  ]
  const script = `-Wl,--version-script=${BUILD}/exports.map`
  // gcc, not g++: nothing of libstdc++ may be linked. Renamed into place: the old file may be mapped by a running process.
  await run(['gcc', ...flags, script, '-o', `${OUTPUT}.new`, ...objects, '-lm'])
  renameSync(join(ROOT, `${OUTPUT}.new`), join(ROOT, OUTPUT))
}

export async function buildNative(): Promise<void> {
  mkdirSync(join(ROOT, BUILD), { recursive: true })
  const started = performance.now()
  const base = sourcesIn('native/cpu').map((source) => unit(source, 'base', BASE))
  const kernels = sourcesIn('native/cpu/kernels').flatMap((source) => [
    unit(source, 'avx2', AVX2),
    unit(source, 'avx512', AVX512),
  ])
  const amx = sourcesIn('native/cpu/amx').map((source) => unit(source, 'amx', AMX))
  const all = [...amx, ...kernels, ...base]
  const last = all.filter((one) => one.source.endsWith('/abi.cpp'))
  const first = all.filter((one) => !last.includes(one))
  let compiled = await compileAll(first)
  await writeGenerated(first.map((one) => one.object))
  compiled += await compileAll(last)
  await link(all.map((one) => one.object))
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  console.log(`${OUTPUT}: ${compiled} of ${all.length} objects compiled in ${seconds} s`)
}

if (import.meta.main) {
  try {
    await buildNative()
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    process.exit(1)
  }
}
