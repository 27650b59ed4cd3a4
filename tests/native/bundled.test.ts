/**
 * The bundled libraries as files: the functions of the header and no others, only what every system of their kind has, its oldest version, the
 * hash of these sources. Nothing is loaded, so any machine checks those of all. The rules are tried on small files that break them.
 */
import { describe, expect, test } from 'bun:test'
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { CPU_PLATFORMS } from '../../core/native/platforms.ts'
import { SYMBOLS } from '../../core/native/symbols.ts'
import { type NativeFile, readNativeFile } from '../../scripts/checks/_binary.ts'
import {
  type BundledLibrary,
  DIST_LIBRARIES,
  LIBRARIES,
  libraryProblems,
} from '../../scripts/checks/_library-rules.ts'
import { declaredDist, declaredFunctions } from '../../scripts/checks/native.ts'
import { nativeSourceHash } from '../../scripts/native/source-hash.ts'
import { temporaryFolder } from '../_golden.ts'
import { changed, place, TINY_PLATFORMS, tinyLibrary } from './_binaries.ts'

const ROOT = join(import.meta.dir, '../..')
const isThere = ({ path }: BundledLibrary): boolean => existsSync(join(ROOT, path))

describe('the bundled libraries', () => {
  test.each(LIBRARIES.filter(isThere).map((library) => [library.path, library] as const))(
    '%s',
    (path, library) => {
      expect(libraryProblems(readFileSync(join(ROOT, path)), library, Object.keys(SYMBOLS))).toEqual([])
    },
  )
  test.each(DIST_LIBRARIES.map((library) => [library.path, library] as const))('%s', (path, library) => {
    expect(libraryProblems(readFileSync(join(ROOT, path)), library, declaredDist())).toEqual([])
  })
  test('there is one for this machine, and the header has the functions of the table', () => {
    expect(LIBRARIES.filter(isThere).map(({ platform }) => platform)).toContain('linux-x64')
    expect(declaredFunctions().toSorted()).toEqual(Object.keys(SYMBOLS).toSorted())
  })
  test('no file lies there that nobody checks', () => {
    const known = new Set([...LIBRARIES, ...DIST_LIBRARIES].map(({ path }) => path))
    const files = readdirSync(join(ROOT, 'native/prebuilt'), { recursive: true, encoding: 'utf8' })
      .map((name) => `native/prebuilt/${name.replaceAll('\\', '/')}`)
      .filter((path) => /\.(so|dylib|dll)$/.test(path))
    expect(files.filter((path) => !known.has(path))).toEqual([])
  })
})

const TINY = ['tt_abi_version', 'tt_build_info', 'tt_last_error', 'tt_symbols', 'tt_system']

/** What a small library is told when it has to be the CPU library of a platform; the hash is put behind it. */
function problems(file: Uint8Array, platform: string, declared: readonly string[] = TINY): string[] {
  const library: BundledLibrary = { path: 'x', kind: 'cpu', platform, command: 'bun run native' }
  return libraryProblems(Buffer.concat([file, Buffer.from(nativeSourceHash('cpu'))]), library, declared)
}

/** With another text of the same length in it. */
function renamed(file: Uint8Array, from: string, to: string): Buffer {
  const copy = Buffer.from(file)
  expect([copy.includes(from), from.length]).toEqual([true, to.length])
  for (let at = copy.indexOf(from); at >= 0; at = copy.indexOf(from)) copy.write(to, at, 'latin1')
  return copy
}

describe('libraryProblems()', () => {
  test.each(CPU_PLATFORMS)('passes what is right for %s', (platform) => {
    expect(problems(tinyLibrary(platform), platform)).toEqual([])
  })
  test('functions that are missing, and those that are too many', () => {
    for (const platform of ['linux-arm64', 'darwin-arm64'] as const) {
      expect(problems(tinyLibrary(platform), platform, [...TINY.slice(1), 'tt_adamw'])).toEqual([
        'x: lacks tt_adamw',
        'x: exports what native/include/tritune.h does not declare: tt_abi_version',
      ])
    }
  })
  test('other libraries', () => {
    const linux = renamed(tinyLibrary('linux-x64'), 'libc.so.6', 'libz.so.6')
    expect(problems(linux, 'linux-x64')).toEqual(['x: needs libz.so.6'])
    const mac = renamed(tinyLibrary('darwin-arm64'), '/usr/lib/libSystem.B', '/usr/lib/libc++abi.B')
    expect(problems(mac, 'darwin-arm64')).toEqual(['x: needs /usr/lib/libc++abi.B.dylib'])
    const windows = renamed(tinyLibrary('win32-x64'), 'KERNEL32.dll', 'VCRUNT14.dll')
    expect(problems(windows, 'win32-x64')).toEqual(['x: needs VCRUNT14.dll'])
  })
  test('a newer system than is promised', () => {
    const linux = renamed(tinyLibrary('linux-arm64'), 'GLIBC_2.17', 'GLIBC_2.34')
    expect(problems(linux, 'linux-arm64')).toEqual(['x: needs newer than GLIBC_2.28: GLIBC_2.34'])
    // In LC_BUILD_VERSION: platform 1 (macOS), then the version.
    const mac = Buffer.from(tinyLibrary('darwin-x64'))
    const at = mac.indexOf(Buffer.from([0x32, 0, 0, 0, 32, 0, 0, 0, 1, 0, 0, 0]))
    expect(problems(changed(mac, at + 14, 13), 'darwin-x64')).toEqual([
      'x: is for darwin-x64 13.0, not from 12.0 on',
    ])
    const windows = tinyLibrary('win32-x64')
    const pe = new DataView(windows.buffer).getUint32(0x3c, true)
    expect(problems(changed(windows, pe + 24 + 48, 11), 'win32-x64')[0]).toBe(
      'x: is for win32-x64 11.0, not from 10.0 on',
    )
  })
  test('another machine, no signature, other sources, too large', () => {
    expect(problems(tinyLibrary('linux-x64'), 'linux-arm64')).toEqual([
      'x: is not for linux-arm64 but for linux-x64',
    ])
    const mac = Buffer.from(tinyLibrary('darwin-arm64'))
    const signature = mac.indexOf(Buffer.from([0x1d, 0, 0, 0, 16, 0, 0, 0]))
    expect(problems(changed(mac, signature, 0x26, 4), 'darwin-arm64')).toEqual([
      'x: has no signature, without which Apple silicon opens nothing',
    ])
    const library: BundledLibrary = {
      path: 'x',
      kind: 'cpu',
      platform: 'linux-x64',
      command: 'bun run native',
    }
    const large = Buffer.concat([tinyLibrary('linux-x64'), new Uint8Array(1.5e6)])
    expect(libraryProblems(large, library, TINY)).toEqual([
      'x: has 1.50 MB, limit 1.50 MB',
      'x: was built from other sources; run `bun run native`',
    ])
  })
})

describe('readNativeFile()', () => {
  const EXPECTED: Readonly<Record<string, Partial<NativeFile>>> = {
    'linux-x64': { needs: ['libc.so.6'], versions: ['GLIBC_2.2.5'], system: null },
    'linux-arm64': { needs: ['libc.so.6'], versions: ['GLIBC_2.17'], system: null },
    'darwin-arm64': { needs: ['/usr/lib/libSystem.B.dylib'], system: '12.0', isSigned: true },
    'darwin-x64': { needs: ['/usr/lib/libSystem.B.dylib'], system: '12.0', isSigned: false },
    'win32-x64': { needs: ['KERNEL32.dll'], system: '6.0' },
  }
  test.each(TINY_PLATFORMS)('%s', (platform) => {
    const { exports, ...rest } = readNativeFile(tinyLibrary(platform), platform)
    expect(exports.filter((name) => name.startsWith('tt_'))).toEqual(TINY)
    expect(rest).toMatchObject(EXPECTED[platform])
  })
  test.each(TINY_PLATFORMS)('refuses a part of %s', (platform) => {
    const whole = tinyLibrary(platform)
    for (const bytes of [0, 3, 16, 63, 200, 1000, whole.length - 1])
      expect(() => readNativeFile(whole.subarray(0, bytes), 'x')).toThrow('this is no whole native library')
  })

  const dump = spawnSync('llvm-objdump', ['--version']).status === 0
  test.skipIf(!dump).each(TINY_PLATFORMS)('agrees with llvm-objdump about %s', (platform) => {
    using folder = temporaryFolder()
    const path = place(folder.path, platform, tinyLibrary(platform))
    const { exports, needs } = readNativeFile(tinyLibrary(platform), platform)
    const say = (...flags: readonly string[]): string =>
      spawnSync('llvm-objdump', [...flags, path], { encoding: 'utf8' }).stdout
    const [symbols, libraries] = platform.startsWith('darwin')
      ? [/^\S+ +_(\w+)$/gm, /^\t(\/\S+) \(/gm]
      : platform === 'win32-x64'
        ? [/^ +\d+ +0x[0-9a-f]+ +(\w+)$/gm, /DLL Name: (\S+)/g]
        : [/^[0-9a-f]+ g +DF \.text\s+[0-9a-f]+ +(?:Base +)?(\w+)$/gm, /NEEDED +(\S+)/g]
    const listed = platform.startsWith('darwin')
      ? [say('--macho', '--exports-trie'), say('--macho', '--dylibs-used')]
      : [say('-p', '-T'), say('-p')]
    expect([...listed[0].matchAll(symbols)].map(([, name]) => name).toSorted()).toEqual([...exports])
    expect([...listed[1].matchAll(libraries)].map(([, name]) => name)).toEqual([...needs])
  })
})
