/**
 * Builds libtritune_cuda with nvcc: every .cu of native/cuda for every GPU into one library that needs libc only.
 *
 * Two of them are bundled, from the same sources: CUDA 13 for drivers R580 and newer, CUDA 12 for drivers from R525.
 */
import { statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { type KernelBuild, kernelRows, readableName } from './kernel-table.ts'
import { functionNames, linkShared, writeMacros } from './library.ts'
import { compileAll, type Compiled, type Unit } from './objects.ts'
import { ROOT, run } from './process.ts'
import { type KernelUse, parsePtxas, spillProblems } from './ptxas.ts'
import { nativeSourceHash, nativeSources } from './source-hash.ts'
import type { Toolkit } from './toolkit.ts'

/** A100; RTX 30; RTX 40 and L4; H100 and H200 (with wgmma, hence the a); B200; RTX 50. */
export const GPUS: readonly string[] = ['sm_80', 'sm_86', 'sm_89', 'sm_90a', 'sm_100', 'sm_120']

/** For older drivers: A100, whose code RTX 30, RTX 40 and L4 run too, and H100. Fewer, to keep the repository small. */
export const GPUS_CUDA12: readonly string[] = ['sm_80', 'sm_90a']

export const CUDA_SOURCES = 'native/cuda'

// No C++ run-time library may be needed, as in the CPU library: the host code has no exceptions, no RTTI, no guards.
const HOST: readonly string[] =
  '-fPIC -fvisibility=hidden -ffunction-sections -fdata-sections -fno-exceptions -fno-rtti -fno-threadsafe-statics \
  -fno-asynchronous-unwind-tables -Wall -Wextra -Wno-unused-parameter -Wno-unknown-pragmas'.split(/\s+/)

export interface CudaBuild {
  readonly toolkit: Toolkit
  readonly output: string
  /** Of GPUS, without what the toolkit does not know. */
  readonly gpus: readonly string[]
  /** Sources to compile; all by default. With a choice nothing is linked. */
  readonly only?: readonly string[]
}

/** Those of the wanted GPUs that a toolkit has code for. */
export function supportedGpus(toolkit: Toolkit, wanted: readonly string[]): string[] {
  // nvcc does not list the `a` variants.
  return wanted.filter((gpu) => toolkit.gpus.includes(gpu.replace(/[a-z]$/, '')))
}

/**
 * For GPUs that come later the driver compiles PTX. It is that of the newest GPU here: the host code picks kernels by
 * capability, so a newer GPU asks for those of the newest one, and older PTX may have them pruned. PTX of `a` targets is
 * for one GPU only, so sm_90a gives compute_90.
 */
export function ptxTarget(gpus: readonly string[]): string {
  return (gpus.at(-1) ?? '').replace(/^sm_(\d+)[a-z]?$/, 'compute_$1')
}

/** Compiles, checks that no kernel uses local memory, links. Throws with every offender. */
export async function buildCuda({ toolkit, output, gpus, only }: CudaBuild): Promise<KernelBuild> {
  const ptx = ptxTarget(gpus)
  const host = (await run(['g++', '-dumpfullversion'])).out.trim()
  const compiler = `nvcc ${toolkit.version}, g++ ${host}`
  // One folder for each set of targets: the objects of a development build do not replace those of a full one.
  const build = `native/build/cuda/${toolkit.version}-${gpus.map((gpu) => gpu.slice(3)).join('-')}`
  const command = [
    toolkit.nvcc,
    '-std=c++17',
    '-O3',
    ...gpus.flatMap((gpu) => ['-gencode', `arch=${gpu.replace('sm', 'compute')},code=${gpu}`]),
    '-gencode',
    `arch=${ptx},code=${ptx}`,
    ...flagsOfVersion(toolkit),
    '-Xptxas=-v',
    `-Xcompiler=${HOST.join(',')}`,
    `-DTT_NEWEST_GPU=${ptx.replace('compute_', '')}`,
    `-I${build}`,
  ]
  const unit = (source: string): Unit => {
    return { source, object: `${build}/${basename(source, '.cu')}.o`, command, compiler }
  }
  const sources = cudaSources(only)
  const objects = await compileAll(sources.filter((source) => !source.endsWith('/abi.cu')).map(unit), {
    onCompiled: tell,
  })
  if (!only) {
    writeMacros(`${build}/generated.h`, {
      TT_SYMBOL_NAMES: (await functionNames(objects.map(({ unit }) => unit.object))).join('\\n'),
      TT_SOURCE_HASH: nativeSourceHash('cuda'),
      TT_COMPILER: compiler,
      TT_TARGETS: [...gpus, ptx].join(' '),
      TT_DEVICE_KIND: 'cuda',
    })
    objects.push(...(await compileAll([unit(`${CUDA_SOURCES}/runtime/abi.cu`)], { onCompiled: tell })))
  }
  const kernels = await kernelsOf(objects)
  const offenders = Object.values(kernels).flatMap((uses) => spillProblems(uses))
  if (offenders.length > 0) {
    const names = await demangle(kernels)
    const readable = offenders.map((line) =>
      line.replace(/^\S+/, (name) => readableName(names.get(name) ?? name)),
    )
    throw new Error(`kernels use local memory:\n${readable.join('\n')}`)
  }
  if (!only) {
    // gcc, not nvcc: nvcc would link libstdc++ and libgcc.
    await linkShared({
      linker: ['gcc'],
      output,
      objects: objects.map(({ unit }) => unit.object),
      last: [toolkit.staticRuntime, '-lm', '-ldl', '-lpthread', '-lrt'],
    })
  }
  return {
    library: basename(output),
    compiler,
    targets: gpus,
    kernels: kernelRows(kernels, gpus, await demangle(kernels)),
  }
}

/** Paths of the CUDA sources; of those with the names in `only` when it is given. */
export function cudaSources(only?: readonly string[]): string[] {
  const all = nativeSources('cuda').filter((path) => path.endsWith('.cu'))
  const unknown = only?.find((name) => !all.some((path) => basename(path, '.cu') === name))
  if (unknown) throw new Error(`there is no ${unknown}.cu in ${CUDA_SOURCES}`)
  return all.filter((path) => !only || only.includes(basename(path, '.cu')))
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/**
 * Machine code is most of the library, and CUDA 13 can make it a quarter of the default's size. Drivers below R550 do not
 * read that, so the library of CUDA 12 is compressed the old way.
 */
function flagsOfVersion({ version }: Toolkit): string[] {
  // The seed goes into names of modules; without it two builds of the same sources may differ.
  return Number.parseInt(version, 10) >= 13
    ? ['--compress-mode=size', '-frandom-seed=tritune']
    : ['-Xfatbin=-compress-all']
}

async function kernelsOf(objects: readonly Compiled[]): Promise<Record<string, readonly KernelUse[]>> {
  return Object.fromEntries(objects.map(({ unit, log }) => [unit.source, parsePtxas(log).kernels]))
}

async function demangle(
  kernels: Readonly<Record<string, readonly KernelUse[]>>,
): Promise<ReadonlyMap<string, string>> {
  const names = [...new Set(Object.values(kernels).flatMap((uses) => uses.map(({ name }) => name)))]
  if (names.length === 0) return new Map()
  const plain = (await run(['c++filt', ...names])).out.trim().split('\n')
  return new Map(names.map((name, i) => [name, plain[i]]))
}

function tell({ unit, seconds, log }: Compiled): void {
  const { kernels, others } = parsePtxas(log)
  const count = new Set(kernels.map(({ name }) => name)).size
  const size = (statSync(join(ROOT, unit.object)).size / 1e6).toFixed(2)
  console.log(`  ${unit.source}: ${count} kernels, ${size} MB, ${seconds.toFixed(0)} s of CPU`)
  const problems = [...spillProblems(kernels), others].filter((line) => line !== '')
  if (problems.length > 0) process.stderr.write(`${problems.join('\n')}\n`)
}
