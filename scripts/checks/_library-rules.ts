/**
 * The libraries that travel with tritune, and what each may be: its functions, what it may ask of the system, how old that may
 * be, how large it is. A file is read, never opened: any machine can check those of all others.
 */
import { CPU_PLATFORMS, libraryFileName } from '../../core/native/platforms.ts'
import { type NativeKind, nativeSourceHash } from '../native/source-hash.ts'
import { readBinaryHeader } from '../../core/native/binary-header.ts'
import { readNativeFile } from './_binary.ts'

export interface BundledLibrary {
  /** In the repository. */
  readonly path: string
  readonly kind: NativeKind
  readonly platform: string
  readonly command: string
}

const GPU_COMMAND = 'bun run native:cuda'

export const LIBRARIES: readonly BundledLibrary[] = [
  ...CPU_PLATFORMS.map((platform): BundledLibrary => {
    const path = `native/prebuilt/${platform}/${libraryFileName('tritune_cpu', platform)}`
    const target = platform === 'linux-x64' ? '' : ` --target=${platform}`
    return { path, kind: 'cpu', platform, command: `bun run native${target}` }
  }),
  ...['cuda', 'cuda12'].map((name): BundledLibrary => {
    const path = `native/prebuilt/linux-x64/libtritune_${name}.so`
    return { path, kind: 'cuda', platform: 'linux-x64', command: GPU_COMMAND }
  }),
  {
    path: 'native/emulator/prebuilt/linux-x64/libtritune_cuda_emulated.so',
    kind: 'cuda-emulated',
    platform: 'linux-x64',
    command: `${GPU_COMMAND} --emulator`,
  },
]

/** Connects processes; made beside the CPU library, and looked at where it is there. */
export const DIST_LIBRARIES: readonly BundledLibrary[] = CPU_PLATFORMS.map((platform) => ({
  path: `native/prebuilt/${platform}/${libraryFileName('tritune_dist', platform)}`,
  kind: 'dist',
  platform,
  command: `bun run native --library=dist --target=${platform}`,
}))

/** What is wrong with a library; `declared` are the functions that it must export, and no others. */
export function libraryProblems(
  file: Uint8Array,
  { path, kind, platform, command }: BundledLibrary,
  declared: readonly string[],
): string[] {
  const rules = { ...SYSTEMS[platform.split('-')[0]], ...EXCEPTIONS[`${platform} ${kind}`] }
  const { exports, needs, versions, system, isSigned } = readNativeFile(file, path)
  const problems: string[] = []
  const report = (what: string, names: readonly string[]): void => {
    if (names.length > 0) problems.push(`${path}: ${what} ${names.join(', ')}`)
  }
  const { platforms } = headerOf(file)
  if (!platforms.includes(platform)) report(`is not for ${platform} but for`, platforms)
  report(
    'lacks',
    declared.filter((name) => !exports.includes(name)),
  )
  report(
    `exports what ${HEADER} does not declare:`,
    exports.filter((name) => !declared.includes(name) && !OF_LINKERS.test(name)),
  )
  report(
    'needs',
    needs.filter((name) => !rules.allowed?.test(name)),
  )
  const glibc = rules.glibc ?? 0
  report(
    `needs newer than GLIBC_2.${glibc}:`,
    versions.filter((version) => isNewer(version.replace('GLIBC_', ''), `2.${glibc}`)),
  )
  if (rules.system !== undefined && (system === null || isNewer(system, rules.system)))
    problems.push(
      `${path}: is for ${platform} ${system ?? 'of no stated version'}, not from ${rules.system} on`,
    )
  if (platform === 'darwin-arm64' && !isSigned)
    problems.push(`${path}: has no signature, without which Apple silicon opens nothing`)
  if (file.length > MOST_BYTES[kind]) {
    const [size, most] = [file.length, MOST_BYTES[kind]].map((bytes) => (bytes / 1e6).toFixed(2))
    problems.push(`${path}: has ${size} MB, limit ${most} MB`)
  }
  // The hash is a string in the library.
  if (!Buffer.from(file).includes(nativeSourceHash(kind)))
    problems.push(`${path}: was built from other sources; run \`${command}\``)
  return problems
}

// ---- helpers ----------------------------------------------------------------------------------------------------

export const HEADER = 'native/include/tritune.h'

/** Bytes. In the repository and in every clone: a library that grows beyond this wants a reason. */
export const MOST_BYTES: { readonly [K in NativeKind]: number } = {
  cpu: 1.5e6,
  cuda: 12e6,
  'cuda-emulated': 12e6,
  dist: 200_000,
}

interface SystemRules {
  /** Libraries of the system that every machine has. No C++ library, no libgcc. */
  readonly allowed?: RegExp
  /** Minor version of glibc 2. */
  readonly glibc?: number
  /** The oldest version of the system that it has to run on. */
  readonly system?: string
}

const SYSTEMS: Readonly<Record<string, SystemRules | undefined>> = {
  // Debian 10, Ubuntu 20.04, RHEL 8.
  linux: {
    allowed: /^(?:lib(?:c|m|dl|pthread|rt)\.so\.\d+|ld-linux-(?:x86-64|aarch64)\.so\.\d)$/,
    glibc: 28,
  },
  darwin: { allowed: /^\/usr\/lib\/libSystem\.B\.dylib$/, system: '12.0' },
  // Of Windows 10; the C library is a part of it.
  win32: { allowed: /^(?:kernel32|ntdll|ucrtbase|api-ms-win-[\w-]+)\.dll$/i, system: '10.0' },
}

const EXCEPTIONS: Readonly<Record<string, SystemRules | undefined>> = {
  // Debian 12, Ubuntu 22.04, RHEL 9.
  'linux-x64 cpu': { glibc: 34 },
  'linux-x64 dist': { glibc: 34 },
  'linux-x64 cuda': { glibc: 34 },
  // For the tests; what g++ links statically needs it.
  'linux-x64 cuda-emulated': { glibc: 35 },
}

/** Of the emulator's tests, and what linkers for macOS add by themselves. */
const OF_LINKERS = /^(?:tt_emulator_\w+|__dso_handle|_mh_dylib_header)$/

function headerOf(file: Uint8Array): { platforms: readonly string[] } {
  const header = readBinaryHeader(file)
  return header === undefined || header === 'cut off' ? { platforms: [] } : header
}

/** `2.34` is newer than `2.4`. What is no version is newer than any. */
function isNewer(version: string, limit: string): boolean {
  const [have, most] = [version, limit].map((text) => text.split('.').map(Number))
  if (have.some(Number.isNaN)) return true
  const at = have.findIndex((part, i) => part !== (most[i] ?? 0))
  return at >= 0 && have[at] > (most[at] ?? 0)
}
