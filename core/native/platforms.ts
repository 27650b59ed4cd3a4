/**
 * The systems that there are native libraries for, how their files are called there, and whether one has ever run on a real
 * machine of that kind. `linux-x64`, `darwin-arm64`, …: the names of packages and of the folders under native/prebuilt.
 */
import { existsSync } from 'node:fs'

/** Of this process. A runtime for another kind of machine, as under Rosetta, counts as what it is made for. */
export const PLATFORM: string = `${process.platform}-${process.arch}`

/** What is known of a library on a platform beside that it was made. */
export interface PlatformFacts {
  /** For people. */
  readonly label: string
  /** Where else than on real machines it has run; null: it has run on them. */
  readonly unproven: string | null
}

const CPU_LIBRARIES: Readonly<Record<string, PlatformFacts | undefined>> = {
  'linux-x64': { label: 'Linux on x86-64', unproven: null },
  'linux-arm64': { label: 'Linux on ARM64', unproven: 'it has run on an emulator (qemu) only' },
  'darwin-arm64': { label: 'macOS on ARM64', unproven: 'it has been checked as a file only' },
  'darwin-x64': { label: 'macOS on x86-64', unproven: 'it has been checked as a file only' },
  'win32-x64': { label: 'Windows on x86-64', unproven: 'it has run under Wine only' },
}

/** Platforms that a CPU library is made for. */
export const CPU_PLATFORMS: readonly string[] = Object.keys(CPU_LIBRARIES)

/** Platforms that libraries for GPUs, and the emulator, are made for. */
export const GPU_PLATFORMS: readonly string[] = ['linux-x64']

/** Undefined where no CPU library is made. */
export function platformFacts(platform: string = PLATFORM): PlatformFacts | undefined {
  return CPU_LIBRARIES[platform]
}

/** `macOS on ARM64`; the name itself where nothing is known of it. */
export function platformLabel(platform: string): string {
  return CPU_LIBRARIES[platform]?.label ?? platform
}

/** `libtritune_cpu.so`, `libtritune_cpu.dylib`, `tritune_cpu.dll`. */
export function libraryFileName(name: string, platform: string = PLATFORM): string {
  if (platform.startsWith('win32-')) return `${name}.dll`
  return `lib${name}.${platform.startsWith('darwin-') ? 'dylib' : 'so'}`
}

/** Why this machine has no CPU library at all, for a note; null: one is made for it. */
export function noCpuLibrary(platform: string = PLATFORM): string | null {
  if (!CPU_PLATFORMS.includes(platform)) return `no native library is made for ${platform}`
  return platform.startsWith('linux-') && isMusl()
    ? `no native library is made for ${platform} with musl`
    : null
}

/** Why there are no libraries for GPUs, for a note; null: they are made for it. */
export function noGpuLibrary(platform: string = PLATFORM): string | null {
  return GPU_PLATFORMS.includes(platform) ? null : `no library for GPUs is made for ${platform}`
}

/** Alpine and its like: another C library than the one that the libraries for Linux need. */
function isMusl(): boolean {
  const [musl, glibc] =
    process.arch === 'arm64'
      ? ['/lib/ld-musl-aarch64.so.1', '/lib/ld-linux-aarch64.so.1']
      : ['/lib/ld-musl-x86_64.so.1', '/lib64/ld-linux-x86-64.so.2']
  return existsSync(musl) && !existsSync(glibc)
}
