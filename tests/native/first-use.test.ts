/**
 * The self-check on kinds of machines that a library never ran on: once, remembered for this library and this CPU, and an error when it fails.
 */
import { describe, expect, test } from 'bun:test'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Device, OpImplementation } from '../../core/mod.ts'
import { libraryCandidates } from '../../core/native/library.ts'
import { checkOnFirstUse, type FirstUseFacts, openCpu, selfCheck } from '../../plugins/cpu/mod.ts'
import { temporaryFolder } from '../_golden.ts'
import { place } from './_binaries.ts'

const device = openCpu({ threads: 1 })
const library = { path: libraryCandidates('cpu')[0], info: { isa: 'neon' } }

/** A Mac, as far as the check looks. */
function facts(cache: string, more: Partial<FirstUseFacts> = {}): FirstUseFacts {
  return { platform: 'darwin-arm64', cache, cpu: 'Apple M1', ...more }
}

/** Leaves the results of one op as they were made; counts how often it is asked for. */
function wrong(inner: Device): { device: Device; calls: () => number } {
  let calls = 0
  const broken: Device = {
    ...inner,
    implementationOf(op): OpImplementation | undefined {
      const found = inner.implementationOf(op)
      return found && op.name === 'linear' ? { ...found, run: () => void calls++ } : found
    },
  }
  return { device: broken, calls: () => calls }
}

describe('checkOnFirstUse()', () => {
  test('checks once, and remembers it in the cache folder', () => {
    using folder = temporaryFolder()
    expect(checkOnFirstUse(device, library, facts(folder.path))).toBe('passed now')
    const [name, ...others] = readdirSync(join(folder.path, 'self-checks'))
    expect([others, /^[0-9a-f]{64}\.json$/.test(name)]).toEqual([[], true])
    expect(JSON.parse(readFileSync(join(folder.path, 'self-checks', name), 'utf8'))).toMatchObject({
      system: 'macOS on ARM64',
      cpu: 'Apple M1',
      isa: 'neon',
    })
    expect(checkOnFirstUse(device, library, facts(folder.path))).toBe('passed before')
  })
  test('another library, instruction set or CPU is another first use', () => {
    using folder = temporaryFolder()
    const check = (given: typeof library, more: Partial<FirstUseFacts> = {}): string =>
      checkOnFirstUse(device, given, facts(folder.path, more))
    const path = place(folder.path, 'other', Buffer.concat([readFileSync(library.path), Buffer.from('x')]))
    expect(check(library)).toBe('passed now')
    expect(check({ ...library, path })).toBe('passed now')
    expect(check({ ...library, info: { isa: 'avx2' } })).toBe('passed now')
    expect(check(library, { cpu: 'Apple M4' })).toBe('passed now')
    expect(check(library)).toBe('passed before')
  })
  test('where the library has been proven nothing is checked or written', () => {
    using folder = temporaryFolder()
    expect(checkOnFirstUse(device, library, facts(folder.path, { platform: 'linux-x64' }))).toBe('proven')
    expect(readdirSync(folder.path)).toEqual([])
  })
  test('a cache that cannot be written means a check each time', () => {
    using folder = temporaryFolder()
    writeFileSync(join(folder.path, 'file'), '')
    const cache = join(folder.path, 'file/cache')
    expect(checkOnFirstUse(device, library, facts(cache))).toBe('passed now')
    expect(checkOnFirstUse(device, library, facts(cache))).toBe('passed now')
  })
  test('wrong numbers are an error each time', () => {
    using folder = temporaryFolder()
    mkdirSync(join(folder.path, 'self-checks'))
    const bad = wrong(device)
    for (let i = 1; i <= 2; i++) {
      expect(() => checkOnFirstUse(bad.device, library, facts(folder.path))).toThrow(
        /^cpu computes wrong numbers: .* of a small LoRA step in f32 is off by .*\n {2}→ use device: wasm, and report this machine/,
      )
      expect(bad.calls()).toBeGreaterThan(i)
    }
    expect(readdirSync(join(folder.path, 'self-checks'))).toEqual([])
  })
})

test('selfCheck() passes here in both dtypes', () => {
  selfCheck(device, { dtypes: ['f32', 'bf16'] })
})
