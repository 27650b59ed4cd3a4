/**
 * Native libraries that are not the right ones, opened in Bun, Deno and Node: one clear error each, before the system's loader sees them,
 * and no runtime that ends.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { libraryCandidates } from '../../core/native/library.ts'
import { PLATFORM, platformLabel } from '../../core/native/platforms.ts'
import { ABI_VERSION } from '../../core/native/symbols.ts'
import { TEST_RUNTIMES } from '../_runtimes.ts'
import { place, TINY_PLATFORMS, tinyLibrary } from './_binaries.ts'

const CHILD = join(import.meta.dir, '_open-library-child.ts')
const folder = mkdtempSync(join(tmpdir(), 'tritune-open-'))
const bundle = join(folder, 'child.mjs')
const bundled = readFileSync(libraryCandidates('cpu')[0])

beforeAll(async () => {
  const { outputs } = await Bun.build({ entrypoints: [CHILD], target: 'node' })
  await Bun.write(bundle, outputs[0])
  symlinkSync(join(import.meta.dir, '../../node_modules'), join(folder, 'node_modules'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe.each(TEST_RUNTIMES.map((one) => [one.name, one] as const))(
  '%s',
  (name, { command, needsBundle }) => {
    /** What the runtime says of a library with this content. */
    function opened(content: Uint8Array | string): string {
      const path = place(folder, `${name.replace(' ', '-')}/libtritune_cpu.so`, content)
      const [program, ...before] = command
      const { stdout, stderr, signal } = spawnSync(program, [...before, needsBundle ? bundle : CHILD], {
        encoding: 'utf8',
        env: { ...process.env, TRITUNE_CPU_LIBRARY: path, NO_COLOR: '1' },
      })
      expect([stderr.replace(/^Warning.*\n/gm, ''), signal]).toEqual(['', null])
      return stdout.trim().replaceAll(path, 'PATH')
    }

    test('the right one', () => {
      expect(opened(bundled)).toMatch(/^opened \w+$/)
    })
    test.each(TINY_PLATFORMS.filter((platform) => platform !== PLATFORM))('one for %s', (platform) => {
      expect(opened(tinyLibrary(platform))).toMatch(
        new RegExp(
          `^E_LIBRARY PATH: the library is for ${platformLabel(platform)} \\(.+\\), not for .+\n {2}→ unset TRITUNE_CPU_LIBRARY, or (restore|bun add)`,
        ),
      )
    })
    test('one of another ABI', () => {
      expect(opened(tinyLibrary(PLATFORM))).toStartWith(
        `E_LIBRARY PATH: the library has ABI version 1, this tritune needs ${ABI_VERSION}\n  → unset`,
      )
    })
    test('one that was half copied, at several places', () => {
      for (const part of [0.999, 0.5, 0.01]) {
        const bytes = Math.floor(bundled.length * part)
        expect(opened(bundled.subarray(0, bytes))).toStartWith(
          `E_LIBRARY PATH: the library was cut off: it has ${bytes} bytes of ${bundled.length}\n  → unset`,
        )
      }
      expect(opened('')).toContain('the library was cut off: it has no bytes')
    })
    test('something else', () => {
      expect(opened('a text\n')).toStartWith('E_LIBRARY PATH: this is no native library\n  → unset')
    })
  },
)
