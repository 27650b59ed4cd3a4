/**
 * The systems that libtritune_cpu is built for: which compiler, which flags, where the library goes.
 */
import { zig, zigVersion } from './zig.ts'
import { run } from './process.ts'
import { WASM_FEATURES } from './wasm.ts'

export type TargetName =
  | 'linux-x64'
  | 'linux-x64-zig'
  | 'linux-arm64'
  | 'darwin-arm64'
  | 'darwin-x64'
  | 'win32-x64'
  | 'wasm'
  | 'wasm-relaxed'

/** One build of a *.kernel.cpp. */
export interface KernelBuild {
  /** Name of its namespace. */
  readonly isa: string
  readonly flags: readonly string[]
}

export interface Target {
  readonly output: string
  readonly compiler: 'g++' | 'zig'
  /** For zig: -target. */
  readonly triple?: string
  readonly format: 'elf' | 'mach-o' | 'pe' | 'wasm'
  /** Names that sources for it carry: `x` compiles *.x.cpp; of the folder platform, x.cpp. */
  readonly parts: readonly string[]
  /** Of every source. */
  readonly flags: readonly string[]
  /** Of sources that are compiled once. */
  readonly base: readonly string[]
  readonly kernels: readonly KernelBuild[]
  /** Of *.amx.cpp, *.vnni.cpp and *.neon.cpp, for CPUs that have more; without it they are left out. */
  readonly amx?: readonly string[]
  readonly vnni?: readonly string[]
  readonly neon?: readonly string[]
  readonly link: readonly string[]
}

// GCC 12 reports its own AVX-512 intrinsics as uninitialised.
const GCC_V4 = '-march=x86-64-v4 -Wno-uninitialized -Wno-maybe-uninitialized'.split(' ')
const AVX512_DEFINES = ['-DTT_ISA=avx512', '-DTT_AVX512=1']
const WIDE = ['-O3', '-mprefer-vector-width=512']
const AMX_FLAGS = ['-mavx512bf16', '-mamx-tile', '-mamx-bf16']
const VNNI_FLAGS = ['-mavx512vnni', '-mavx512vpopcntdq']
const AVX2_DEFINES = ['-DTT_ISA=avx2', '-DTT_AVX2=1']

/** Apart from linux-x64 everything is made by Clang, as zig. */
const ZIG_X64 = {
  compiler: 'zig',
  base: ['-O2', '-mcpu=x86_64'],
  kernels: [
    { isa: 'avx2', flags: ['-O3', '-mcpu=x86_64_v3', ...AVX2_DEFINES] },
    // Without avx512bf16: the first AVX-512 servers lack it.
    { isa: 'avx512', flags: [...WIDE, '-mcpu=x86_64_v4', ...AVX512_DEFINES] },
  ],
  amx: [...WIDE, '-mcpu=x86_64_v4+avx512bf16+amx_tile+amx_bf16'],
  vnni: [...WIDE, '-mcpu=x86_64_v4+avx512vnni+avx512vpopcntdq'],
} as const

const ZIG_ARM64 = {
  compiler: 'zig',
  base: ['-O2'],
  kernels: [{ isa: 'neon', flags: ['-O3', '-DTT_ISA=neon', '-DTT_NEON=1'] }],
  neon: ['-O3', '-mcpu=generic+bf16'],
} as const

const SECTIONS = ['-ffunction-sections', '-fdata-sections'] as const
const ELF = [...SECTIONS, '-fno-asynchronous-unwind-tables'] as const

const WASM = {
  compiler: 'zig',
  triple: 'wasm32-wasi',
  format: 'wasm',
  parts: ['wasm'],
  base: ['-O2'],
  kernels: [{ isa: 'wasm', flags: ['-O3', '-DTT_ISA=wasm', '-DTT_WASM=1'] }],
  link: [],
} as const

export const TARGETS: { readonly [N in TargetName]: Target } = {
  'linux-x64': {
    output: 'native/prebuilt/linux-x64/libtritune_cpu.so',
    compiler: 'g++',
    format: 'elf',
    parts: ['x64', 'posix', 'linux'],
    flags: [...ELF],
    base: ['-O2', '-march=x86-64', '-mtune=generic'],
    kernels: [
      { isa: 'avx2', flags: ['-O3', '-march=x86-64-v3', ...AVX2_DEFINES] },
      { isa: 'avx512', flags: [...WIDE, ...GCC_V4, ...AVX512_DEFINES] },
    ],
    amx: [...WIDE, ...GCC_V4, ...AMX_FLAGS],
    vnni: [...WIDE, ...GCC_V4, ...VNNI_FLAGS],
    link: ['-lm', '-ldl'],
  },
  // To compare the compilers: not bundled.
  'linux-x64-zig': {
    ...ZIG_X64,
    output: 'native/build/linux-x64-zig/libtritune_cpu.so',
    triple: 'x86_64-linux-gnu.2.28',
    format: 'elf',
    parts: ['x64', 'posix', 'linux'],
    flags: [...ELF],
    link: ['-lm', '-lpthread'],
  },
  'linux-arm64': {
    ...ZIG_ARM64,
    output: 'native/prebuilt/linux-arm64/libtritune_cpu.so',
    triple: 'aarch64-linux-gnu.2.28',
    format: 'elf',
    parts: ['arm64', 'posix', 'linux'],
    flags: [...ELF],
    // dlopen: of libc itself since glibc 2.34 only.
    link: ['-lm', '-lpthread', '-ldl'],
  },
  'darwin-arm64': {
    ...ZIG_ARM64,
    output: 'native/prebuilt/darwin-arm64/libtritune_cpu.dylib',
    triple: 'aarch64-macos.12.0',
    format: 'mach-o',
    parts: ['arm64', 'posix', 'macos'],
    flags: [],
    link: ['-Wl,-install_name,@rpath/libtritune_cpu.dylib'],
  },
  'darwin-x64': {
    ...ZIG_X64,
    output: 'native/prebuilt/darwin-x64/libtritune_cpu.dylib',
    triple: 'x86_64-macos.12.0',
    format: 'mach-o',
    parts: ['x64', 'posix', 'macos'],
    flags: [],
    link: ['-Wl,-install_name,@rpath/libtritune_cpu.dylib'],
  },
  'win32-x64': {
    ...ZIG_X64,
    output: 'native/prebuilt/win32-x64/tritune_cpu.dll',
    triple: 'x86_64-windows-gnu',
    format: 'pe',
    parts: ['x64', 'windows'],
    flags: [],
    link: [],
  },
  wasm: {
    ...WASM,
    output: 'native/prebuilt/wasm/tritune_cpu.wasm',
    flags: [WASM_FEATURES, ...SECTIONS],
  },
  'wasm-relaxed': {
    ...WASM,
    output: 'native/prebuilt/wasm/tritune_cpu_relaxed.wasm',
    flags: [`${WASM_FEATURES}+relaxed_simd`, ...SECTIONS],
  },
}

/** The command that compiles C++ for a target, and what it calls itself. */
export async function compilerOf({ compiler, triple }: Target): Promise<{ command: string[]; name: string }> {
  if (compiler === 'g++')
    return { command: ['g++'], name: `g++ ${(await run(['g++', '-dumpfullversion'])).out.trim()}` }
  return { command: [...(await zig()), 'c++', '-target', triple ?? ''], name: await zigVersion() }
}
