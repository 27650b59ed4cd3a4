/**
 * The packages with native libraries: one for each system, for what fits there only, and none whose library is missing or not the right one.
 */
import { describe, expect, test } from 'bun:test'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { CPU_PLATFORMS, libraryFileName } from '../../core/native/platforms.ts'
import { rootManifest, tritunePackageJson } from '../../scripts/build/manifests.ts'
import {
  describeMissing,
  platformPackages,
  writePlatformPackages,
} from '../../scripts/build/platform-packages.ts'
import { temporaryFolder } from '../_golden.ts'
import { place, tinyLibrary } from '../native/_binaries.ts'

/** A repository that has libraries for some systems, small ones. */
function repository(platforms: readonly string[], change = (file: Uint8Array): Uint8Array => file) {
  const folder = temporaryFolder()
  for (const platform of platforms)
    for (const library of ['tritune_cpu', 'tritune_dist'])
      place(
        folder.path,
        `native/prebuilt/${platform}/${libraryFileName(library, platform)}`,
        change(tinyLibrary(platform)),
      )
  return {
    root: `${folder.path}/`,
    dist: `${folder.path}/dist/`,
    [Symbol.dispose]: () => folder[Symbol.dispose](),
  }
}

const readJson = (path: string): Record<string, unknown> => JSON.parse(readFileSync(path, 'utf8'))

describe('writePlatformPackages()', () => {
  test('one for each system, with its libraries, for that system only', () => {
    using space = repository(CPU_PLATFORMS)
    const folders = writePlatformPackages(space.dist, space.root)
    expect(folders.map((folder) => folder.slice(space.dist.length))).toEqual(
      CPU_PLATFORMS.map((platform) => `@tritune/${platform}/`),
    )
    const fields = Object.fromEntries(
      CPU_PLATFORMS.map((platform) => {
        const { os, cpu, libc, files } = readJson(join(space.dist, '@tritune', platform, 'package.json'))
        return [platform, { os, cpu, libc, files }]
      }),
    )
    expect(fields).toEqual({
      'linux-x64': {
        os: ['linux'],
        cpu: ['x64'],
        libc: ['glibc'],
        files: ['libtritune_cpu.so', 'libtritune_dist.so'],
      },
      'linux-arm64': {
        os: ['linux'],
        cpu: ['arm64'],
        libc: ['glibc'],
        files: ['libtritune_cpu.so', 'libtritune_dist.so'],
      },
      'darwin-arm64': {
        os: ['darwin'],
        cpu: ['arm64'],
        libc: undefined,
        files: ['libtritune_cpu.dylib', 'libtritune_dist.dylib'],
      },
      'darwin-x64': {
        os: ['darwin'],
        cpu: ['x64'],
        libc: undefined,
        files: ['libtritune_cpu.dylib', 'libtritune_dist.dylib'],
      },
      'win32-x64': {
        os: ['win32'],
        cpu: ['x64'],
        libc: undefined,
        files: ['tritune_cpu.dll', 'tritune_dist.dll'],
      },
    })
    expect(readdirSync(folders[4]).toSorted()).toEqual([
      'LICENSE',
      'README.md',
      'package.json',
      'tritune_cpu.dll',
      'tritune_dist.dll',
    ])
  })

  test('tritune asks for those that there are, of its own version', () => {
    using space = repository(['linux-x64', 'darwin-arm64'])
    const { whole, missing } = platformPackages(space.root)
    const root = rootManifest()
    expect(tritunePackageJson(root, whole, []).optionalDependencies).toEqual({
      ...root.optionalDependencies,
      '@tritune/linux-x64': root.version,
      '@tritune/darwin-arm64': root.version,
    })
    expect(missing.map(({ name }) => name)).toEqual([
      '@tritune/linux-arm64',
      '@tritune/darwin-x64',
      '@tritune/win32-x64',
      '@tritune/linux-x64-cuda',
      '@tritune/linux-x64-emulator',
    ])
    expect(describeMissing(missing[2], space.root)).toBe(
      '@tritune/win32-x64 is not made, as there is no native/prebuilt/win32-x64/tritune_cpu.dll, native/prebuilt/win32-x64/tritune_dist.dll; restore it from the repository, or bun run native --target=win32-x64',
    )
    expect(describeMissing(missing[3], space.root)).toContain('bun run native:cuda')
    writePlatformPackages(space.dist, space.root)
    expect(existsSync(join(space.dist, '@tritune/win32-x64'))).toBe(false)
  })

  test('a library of another system, a part of one, and one that is too large are refused', () => {
    using other = repository(['darwin-arm64'], () => tinyLibrary('darwin-x64'))
    expect(() => writePlatformPackages(other.dist, other.root)).toThrow(
      'the library is for macOS on x86-64 (Mach-O), not for macOS on ARM64',
    )
    using part = repository(['win32-x64'], (file) => file.subarray(0, 2000))
    expect(() => writePlatformPackages(part.dist, part.root)).toThrow(
      'was cut off: it has 2000 bytes of 3072',
    )
    using large = repository(['linux-arm64'], (file) => Buffer.concat([file, new Uint8Array(1.5e6)]))
    expect(() => writePlatformPackages(large.dist, large.root)).toThrow('at most 1500000 may travel')
  })
})
