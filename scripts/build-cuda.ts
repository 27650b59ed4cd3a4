/**
 * `bun run native:cuda`: compiles native/cuda with nvcc into native/prebuilt/linux-x64/libtritune_cuda.so (CUDA 13) and
 * libtritune_cuda12.so, and with g++ into the emulated library of the tests.
 *
 *   (no option)            the emulated library and the CUDA libraries whose toolkit is there
 *   --emulator             the emulated library only; with --variant=asan or tsan a sanitized one, in native/build
 *   --cuda=13              one CUDA library only
 *   --arch=90a             for development: some GPUs (80,90a) only, in native/build, no table of kernels
 *   --only=gemm,linear     for development: compiles these sources and shows their kernels, links nothing
 *
 * CUDA13_HOME and CUDA12_HOME say where the toolkits are, if not in /usr/local. What ptxas reports of the kernels goes to
 * native/cuda/kernels.json; a kernel that uses local memory fails the build.
 */
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { buildCuda, GPUS, GPUS_CUDA12, supportedGpus } from './native/cuda.ts'
import { buildEmulated, type EmulatedVariant, sanitizerEnvironment } from './native/emulated.ts'
import { type KernelBuild, KERNEL_TABLE, readKernelTable, writeKernelTable } from './native/kernel-table.ts'
import { ROOT } from './native/process.ts'
import { nativeSourceHash } from './native/source-hash.ts'
import { findToolkit } from './native/toolkit.ts'

/** Major version of CUDA and the library that is built with it; core/native/cuda-driver.ts chooses among them. */
const LIBRARIES: Readonly<Record<string, string>> = {
  13: 'native/prebuilt/linux-x64/libtritune_cuda.so',
  12: 'native/prebuilt/linux-x64/libtritune_cuda12.so',
}

interface Options {
  readonly emulator: boolean
  readonly variant: EmulatedVariant
  readonly cuda?: string
  readonly arch?: readonly string[]
  readonly only?: readonly string[]
}

export async function buildAll(options: Options): Promise<void> {
  const { emulator, cuda, arch, only } = options
  const isDevelopment = arch !== undefined || only !== undefined
  if (emulator || (cuda === undefined && !isDevelopment)) await emulated(options.variant)
  if (emulator) return
  const majors = cuda ? [cuda] : isDevelopment ? ['13'] : ['13', '12']
  const builds: KernelBuild[] = []
  for (const major of majors) {
    const built = await cudaLibrary(major, { arch, only, isRequired: cuda !== undefined })
    if (built) builds.push(built)
  }
  if (builds.length > 0 && !isDevelopment) updateTable(builds)
}

async function emulated(variant: EmulatedVariant): Promise<void> {
  const started = performance.now()
  const { output, compiled, sources } = await buildEmulated(variant)
  console.log(`${output}: ${compiled} of ${sources} sources compiled in ${secondsSince(started)} s`)
  const environment = Object.entries(await sanitizerEnvironment(variant, output))
  if (environment.length > 0) {
    const assignments = environment.map(([name, value]) => `${name}=${value}`).join(' ')
    console.log(`to test with it: ${assignments} bun test tests/cuda`)
  }
}

interface CudaOptions {
  readonly arch?: readonly string[]
  readonly only?: readonly string[]
  readonly isRequired: boolean
}

async function cudaLibrary(
  major: string,
  { arch, only, isRequired }: CudaOptions,
): Promise<KernelBuild | null> {
  const place = LIBRARIES[major]
  if (!place) throw new Error(`--cuda is ${Object.keys(LIBRARIES).join(' or ')}, got ${major}`)
  const { toolkit, looked } = await findToolkit(Number(major))
  if (!toolkit) {
    const text = `no CUDA ${major} toolkit in ${looked.join(', ')}: set CUDA${major}_HOME to build ${place}`
    if (isRequired) throw new Error(text)
    console.log(`not built: ${text}`)
    return null
  }
  const gpus = supportedGpus(
    toolkit,
    arch?.map((one) => `sm_${one}`) ?? (major === '12' ? GPUS_CUDA12 : GPUS),
  )
  if (gpus.length === 0) throw new Error(`nvcc ${toolkit.version} has no code for ${arch?.join(', ')}`)
  const output = arch ? place.replace('native/prebuilt/linux-x64', 'native/build/cuda') : place
  const started = performance.now()
  console.log(`nvcc ${toolkit.version} for ${gpus.join(' ')}`)
  const build = await buildCuda({ toolkit, output, gpus, only })
  if (only) show(build)
  else {
    const megabytes = (statSync(join(ROOT, output)).size / 1e6).toFixed(2)
    const { length } = build.kernels
    console.log(`${output}: ${length} kernels, ${megabytes} MB, ${secondsSince(started)} s`)
  }
  return build
}

function show({ targets, kernels }: KernelBuild): void {
  console.log(`registers for ${targets.join(' ')}; static shared memory; kernel`)
  for (const { registers, shared, name } of kernels)
    console.log(
      `${registers.map((n) => String(n).padStart(4)).join('')} ${String(shared).padStart(6)}  ${name}`,
    )
}

/** Replaces what was built; keeps what another toolkit made of the same sources. */
function updateTable(builds: readonly KernelBuild[]): void {
  const sources = nativeSourceHash('cuda')
  const before = existsSync(join(ROOT, KERNEL_TABLE)) ? readKernelTable() : null
  const kept = before?.sources === sources ? before.builds : []
  const others = kept.filter(({ library }) => !builds.some((built) => built.library === library))
  const all = [...builds, ...others].toSorted((a, b) => (a.library < b.library ? -1 : 1))
  writeKernelTable({ sources, builds: all })
  console.log(`${KERNEL_TABLE}: ${all.map(({ library }) => library).join(', ')}`)
}

function secondsSince(started: number): string {
  return ((performance.now() - started) / 1000).toFixed(1)
}

function parseOptions(): Options {
  const text = { type: 'string' } as const
  const { values } = parseArgs({
    options: {
      emulator: { type: 'boolean', default: false },
      variant: { type: 'string', default: 'plain' },
      cuda: text,
      arch: text,
      only: text,
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    console.log(
      /\/\*\*\n([\s\S]*?)\n \*\//.exec(readFileSync(import.meta.path, 'utf8'))?.[1].replace(/^ \* ?/gm, ''),
    )
    process.exit(0)
  }
  const { variant, emulator, cuda } = values
  if (variant !== 'plain' && variant !== 'asan' && variant !== 'tsan')
    throw new Error(`--variant is plain, asan or tsan, got ${variant}`)
  if (variant !== 'plain' && !emulator) throw new Error('--variant goes with --emulator')
  return { emulator, variant, cuda, arch: values.arch?.split(','), only: values.only?.split(',') }
}

if (import.meta.main) {
  try {
    await buildAll(parseOptions())
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    process.exit(1)
  }
}
