/**
 * The first bytes of native libraries, right and wrong: what is told about them before one is opened.
 */
import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { HEADER_BYTES, readBinaryHeader } from '../../core/native/binary-header.ts'
import { expectLibrary, openFailure } from '../../core/native/expect-library.ts'
import { libraryCandidates } from '../../core/native/library.ts'
import { TrituneError } from '../../core/mod.ts'
import { temporaryFolder } from '../_golden.ts'
import { changed, place, TINY_PLATFORMS, tinyLibrary, universal } from './_binaries.ts'

const FORMATS: Readonly<Record<string, 'ELF' | 'Mach-O' | 'PE'>> = {
  linux: 'ELF',
  darwin: 'Mach-O',
  win32: 'PE',
}

describe('readBinaryHeader()', () => {
  test.each(TINY_PLATFORMS)('%s', (platform) => {
    const file = tinyLibrary(platform)
    expect(readBinaryHeader(file)).toMatchObject({
      format: FORMATS[platform.split('-')[0]],
      platforms: [platform],
      isLibrary: true,
      // The linkers leave nothing behind the last part.
      bytes: file.length,
    })
  })
  test('the bundled library, by its head alone', () => {
    const file = readFileSync(libraryCandidates('cpu')[0])
    expect(readBinaryHeader(file.subarray(0, HEADER_BYTES))).toMatchObject({
      bytes: file.length,
      isLibrary: true,
    })
  })
  test('every part of a library that ends in its headers is cut off', () => {
    for (const platform of TINY_PLATFORMS) {
      const file = tinyLibrary(platform)
      const lengths = Array.from({ length: 62 }, (_, bytes) => bytes).filter((bytes) => bytes >= 4)
      expect(lengths.map((bytes) => readBinaryHeader(file.subarray(0, bytes)))).toEqual(
        lengths.map(() => 'cut off'),
      )
    }
  })
  test('a universal file is for all its machines, and as long as its last part', () => {
    const file = universal([tinyLibrary('darwin-x64'), tinyLibrary('darwin-arm64')])
    expect(readBinaryHeader(file)).toEqual({
      format: 'Mach-O',
      platforms: ['darwin-x64', 'darwin-arm64'],
      isLibrary: true,
      bytes: file.length,
    })
  })
  test('machines without a library have a name, too', () => {
    const linux = tinyLibrary('linux-x64')
    expect(readBinaryHeader(changed(linux, 18, 243))).toMatchObject({ platforms: ['linux-riscv64'] })
    expect(readBinaryHeader(changed(linux, 18, 9999))).toMatchObject({ platforms: ['linux-machine9999'] })
    expect(readBinaryHeader(changed(linux, 4, 1, 1))).toMatchObject({ bytes: 52 })
  })
  test('a signed DLL is as long as its signature', () => {
    const file = tinyLibrary('win32-x64')
    const directory = new DataView(file.buffer).getUint32(0x3c, true) + 24 + 112 + 4 * 8
    const signed = changed(changed(file, directory, file.length, 4), directory + 4, 5000, 4)
    expect(readBinaryHeader(signed)).toMatchObject({ bytes: file.length + 5000 })
  })
  test('other files are none', () => {
    const javaClass = Uint8Array.of(0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, 65, 0, 0)
    for (const file of [new Uint8Array(0), new Uint8Array(100), Buffer.from('#!/bin/sh\n'), javaClass])
      expect(readBinaryHeader(file)).toBeUndefined()
    expect(readBinaryHeader(Buffer.concat([Buffer.from('MZ'), new Uint8Array(200)]))).toBeUndefined()
  })
  test('damaged heads end in an answer, never in an error or a loop', () => {
    for (const platform of TINY_PLATFORMS) {
      const file = tinyLibrary(platform)
      for (let at = 4; at < 600; at += 3) {
        const found = readBinaryHeader(changed(file, at, 0xffff_ffff, 4))
        expect(found === undefined || found === 'cut off' || Number.isFinite(found.bytes)).toBe(true)
      }
    }
  })
})

function refusal(content: Uint8Array, platform: string): string {
  using folder = temporaryFolder()
  const path = place(folder.path, 'libtritune_cpu.so', content)
  try {
    expectLibrary(path, platform)
  } catch (error) {
    if (error instanceof TrituneError) return error.message.replaceAll(path, 'PATH')
    throw error
  }
  return 'fine'
}

describe('expectLibrary()', () => {
  test('each platform takes its own library and no other', () => {
    for (const mine of TINY_PLATFORMS) {
      for (const other of TINY_PLATFORMS) {
        const said = refusal(tinyLibrary(other), mine)
        if (mine === other) expect(said).toBe('fine')
        else
          expect(said).toMatch(/^PATH: the library is for .+ \((ELF|Mach-O|PE)\), not for .+\n {2}→ restore/)
      }
    }
    expect(refusal(tinyLibrary('darwin-arm64'), 'linux-x64')).toBe(
      'PATH: the library is for macOS on ARM64 (Mach-O), not for Linux on x86-64\n' +
        '  → restore native/prebuilt from the same commit, or build it with `bun run native` (needs g++)',
    )
  })
  test('half copied', () => {
    for (const platform of TINY_PLATFORMS) {
      const whole = tinyLibrary(platform)
      const half = whole.subarray(0, whole.length >> 1)
      expect(refusal(half, platform)).toStartWith(
        `PATH: the library was cut off: it has ${half.length} bytes of ${whole.length}\n  → restore`,
      )
      expect(refusal(whole.subarray(0, whole.length - 1), platform)).toContain('was cut off')
      expect(refusal(whole.subarray(0, 20), platform)).toContain('the library was cut off: it has 20 bytes\n')
    }
    expect(refusal(new Uint8Array(0), 'linux-x64')).toContain('the library was cut off: it has no bytes')
  })
  test('something else, and a program', () => {
    expect(refusal(Buffer.from('not a library\n'), 'linux-x64')).toContain('this is no native library')
    expect(refusal(changed(tinyLibrary('linux-x64'), 16, 2), 'linux-x64')).toContain(
      'this ELF file is no shared library',
    )
  })
  test('a folder, and a file that is not there', () => {
    using folder = temporaryFolder()
    expect(() => expectLibrary(folder.path)).toThrow(/cannot read the library/)
    expect(() => expectLibrary(`${folder.path}/nothing`)).toThrow('no such file or folder')
  })
})

describe('openFailure()', () => {
  const say = (message: string, platform: string, path = '/Volumes/me/node_modules/lib.dylib'): string =>
    openFailure(path, new Error(message), platform).message

  test('macOS: quarantined, or with a signature that does not hold', () => {
    const refused = `Failed to open library "/Volumes/me/lib.dylib": dlopen(/Volumes/me/lib.dylib, 0x0005): tried: '/Volumes/me/lib.dylib' (code signature in <AA> '/Volumes/me/lib.dylib' not valid for use in process: library load disallowed by system policy), '/System/Volumes/Preboot/Cryptexes/OS/Volumes/me/lib.dylib' (no such file)`
    const told = say(refused, 'darwin-arm64')
    expect(told).toContain('macOS does not let the library be opened: code signature in')
    expect(told).toContain('library load disallowed by system policy')
    expect(told).not.toContain('Cryptexes')
    expect(told).toContain(
      '→ xattr -d com.apple.quarantine /Volumes/me/node_modules/lib.dylib; if that is not',
    )
    expect(say('com.apple.quarantine is set', 'darwin-x64', "/Volumes/me/it's mine/lib.dylib")).toContain(
      String.raw`xattr -d com.apple.quarantine '/Volumes/me/it'\''s mine/lib.dylib'`,
    )
    expect(say(refused, 'linux-x64')).not.toContain('xattr')
  })
  test('Linux: an old C library, a disk without programs', () => {
    const old = "/lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.34' not found (required by /a/lib.so)"
    expect(say(old, 'linux-x64')).toContain('needs a newer C library than this system has: GLIBC_2.34')
    expect(say('lib.so: failed to map segment from shared object', 'linux-x64')).toContain('noexec')
  })
  test('Windows: something that the library needs is missing', () => {
    expect(say('LoadLibrary failed: The specified module could not be found', 'win32-x64')).toContain(
      'long paths',
    )
  })
  test('anything else is told as it is', () => {
    expect(say('something new', 'linux-arm64')).toContain('the library cannot be opened: something new')
  })
})
