/**
 * Builds libtritune_cuda_emulated: the same .cu of native/cuda, compiled by g++ against native/emulator, for tests on machines
 * without a GPU. Plain, or with a sanitizer.
 */
import { basename } from 'node:path'
import { CUDA_SOURCES, cudaSources } from './cuda.ts'
import { functionNames, linkShared, writeMacros } from './library.ts'
import { compileAll, type Compiled, type Unit } from './objects.ts'
import { run } from './process.ts'
import { nativeSourceHash } from './source-hash.ts'

/** asan: AddressSanitizer and UBSan. tsan: ThreadSanitizer, which finds races in shared memory. */
export type EmulatedVariant = 'plain' | 'asan' | 'tsan'

export const EMULATED_OUTPUT = 'native/emulator/prebuilt/linux-x64/libtritune_cuda_emulated.so'

/** Kernels with mistakes that the emulator must catch. */
const PLANTED = 'native/emulator/planted.cu'

const COMMON: readonly string[] =
  '-std=c++17 -march=x86-64-v3 -ffp-contract=off -fPIC -fvisibility=hidden -Wall -Wextra -Wno-unused-parameter \
  -Wno-unknown-pragmas'.split(/\s+/)

const VARIANTS: { readonly [V in EmulatedVariant]: readonly string[] } = {
  plain: ['-O2'],
  asan: [
    '-O1',
    '-g',
    '-fsanitize=address,undefined',
    '-fno-sanitize-recover=undefined',
    '-fno-omit-frame-pointer',
  ],
  tsan: ['-O1', '-g', '-fsanitize=thread'],
}

export interface EmulatedBuild {
  readonly output: string
  readonly compiled: number
  readonly sources: number
}

export async function buildEmulated(variant: EmulatedVariant): Promise<EmulatedBuild> {
  const build = `native/build/cuda/emulated-${variant}`
  const output = variant === 'plain' ? EMULATED_OUTPUT : `${build}/${basename(EMULATED_OUTPUT)}`
  const compiler = `g++ ${(await run(['g++', '-dumpfullversion'])).out.trim()}`
  const flags = [...COMMON, ...VARIANTS[variant]]
  const unit = (source: string): Unit => ({
    source,
    object: `${build}/${basename(source, '.cu')}.o`,
    command: ['g++', ...flags, '-x', 'c++', `-I${build}`],
    compiler,
  })
  const sources = [...cudaSources(), PLANTED]
  const onCompiled = ({ log }: Compiled): void => void process.stderr.write(log)
  const objects = await compileAll(sources.filter((source) => !source.endsWith('/abi.cu')).map(unit), {
    onCompiled,
  })
  writeMacros(`${build}/generated.h`, {
    TT_SYMBOL_NAMES: (await functionNames(objects.map(({ unit }) => unit.object))).join('\\n'),
    TT_SOURCE_HASH: nativeSourceHash('cuda-emulated'),
    TT_COMPILER: compiler,
    TT_TARGETS: 'emulated',
    TT_DEVICE_KIND: 'cuda-emulated',
  })
  objects.push(...(await compileAll([unit(`${CUDA_SOURCES}/runtime/abi.cu`)], { onCompiled })))
  const sanitizer = VARIANTS[variant].filter((flag) => flag.startsWith('-fsanitize'))
  await linkShared({
    linker: ['g++'],
    output,
    objects: objects.map(({ unit }) => unit.object),
    last:
      variant === 'plain'
        ? ['-static-libstdc++', '-static-libgcc', '-lpthread']
        : [...sanitizer, '-lpthread'],
    allowUndefined: variant !== 'plain',
  })
  return { output, compiled: objects.filter(({ fresh }) => fresh).length, sources: sources.length }
}

/** Environment in which a sanitized library can be opened by Bun: the sanitizer must be the first library loaded. */
export async function sanitizerEnvironment(
  variant: EmulatedVariant,
  output: string,
): Promise<Readonly<Record<string, string>>> {
  if (variant === 'plain') return {}
  return {
    LD_PRELOAD: (await run(['g++', `-print-file-name=lib${variant}.so`])).out.trim(),
    TRITUNE_CUDA_EMULATED_LIBRARY: output,
    // What JavaScript leaves behind, and the races that its engine knows of, are not ours.
    ...(variant === 'asan'
      ? { ASAN_OPTIONS: 'detect_leaks=0' }
      : { TSAN_OPTIONS: 'ignore_noninstrumented_modules=1' }),
  }
}
