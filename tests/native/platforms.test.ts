/**
 * What native libraries are called on each system, what to do about them there, and what runs where there is none.
 */
import { describe, expect, test } from 'bun:test'
import { libraryRemedy, type RemedyFacts } from '../../core/native/library-remedy.ts'
import { platformPackage } from '../../core/native/platform-packages.ts'
import {
  CPU_PLATFORMS,
  libraryFileName,
  noCpuLibrary,
  noGpuLibrary,
  PLATFORM,
  platformFacts,
  platformLabel,
} from '../../core/native/platforms.ts'

describe('platforms', () => {
  test('five have a CPU library; its name is the system’s', () => {
    expect(
      CPU_PLATFORMS.map(
        (platform) => `${platformPackage('cpu', platform)} ${libraryFileName('tritune_cpu', platform)}`,
      ),
    ).toEqual([
      '@tritune/linux-x64 libtritune_cpu.so',
      '@tritune/linux-arm64 libtritune_cpu.so',
      '@tritune/darwin-arm64 libtritune_cpu.dylib',
      '@tritune/darwin-x64 libtritune_cpu.dylib',
      '@tritune/win32-x64 tritune_cpu.dll',
    ])
    expect(CPU_PLATFORMS).toContain(PLATFORM)
  })
  test('what was never run on a real machine says so', () => {
    expect(CPU_PLATFORMS.filter((platform) => platformFacts(platform)?.unproven === null)).toEqual([
      'linux-x64',
    ])
    expect(platformFacts('sunos-sparc')).toBeUndefined()
    expect([platformLabel('darwin-arm64'), platformLabel('sunos-sparc')]).toEqual([
      'macOS on ARM64',
      'sunos-sparc',
    ])
  })
  test('where there is none', () => {
    expect(noCpuLibrary('win32-arm64')).toBe('no native library is made for win32-arm64')
    expect(noGpuLibrary('darwin-arm64')).toBe('no library for GPUs is made for darwin-arm64')
    expect([noCpuLibrary('darwin-x64'), noCpuLibrary(PLATFORM), noGpuLibrary('linux-x64')]).toEqual([
      null,
      null,
      null,
    ])
  })
})

describe('libraryRemedy()', () => {
  const facts = (more: Partial<RemedyFacts> = {}): RemedyFacts => ({
    isCheckout: true,
    platform: 'darwin-arm64',
    versions: { bun: '1.4.5' },
    env: {},
    ...more,
  })
  test('in a checkout', () => {
    expect(libraryRemedy('a/libtritune_cpu.dylib', 'missing', facts())).toBe(
      'restore native/prebuilt from the repository, or build it with `bun run native --target=darwin-arm64` (needs zig: pip install ziglang)',
    )
    expect(libraryRemedy('a/libtritune_cpu.so', 'other', facts({ platform: 'linux-x64' }))).toBe(
      'restore native/prebuilt from the same commit, or build it with `bun run native` (needs g++)',
    )
  })
  test('installed', () => {
    const installed = facts({ isCheckout: false, platform: 'win32-x64', versions: { deno: '2.9.6' } })
    expect(libraryRemedy('a/tritune_cpu.dll', 'missing', installed)).toBe('deno add npm:@tritune/win32-x64')
    expect(libraryRemedy('a/tritune_cpu.dll', 'damaged', installed)).toBe(
      'again, deno add npm:@tritune/win32-x64',
    )
  })
  test('a library that a variable names is nobody’s to restore', () => {
    const env = { TRITUNE_CPU_LIBRARY: '/mine.so' }
    expect(libraryRemedy('/mine.so', 'damaged', facts({ env, isCheckout: false }))).toBe(
      'unset TRITUNE_CPU_LIBRARY, or bun add @tritune/darwin-arm64',
    )
    expect(libraryRemedy('/other.so', 'damaged', facts({ env }))).not.toContain('unset')
  })
})
