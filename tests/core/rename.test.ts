/**
 * Renaming over files that somebody has open, which Windows refuses for as long.
 */
import { describe, expect, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { rename } from '../../core/files/rename.ts'
import { temporaryFolder } from '../_golden.ts'

/** A system that refuses some times. */
function refusing(times: number, code: string, platform = 'win32') {
  const waits: number[] = []
  let calls = 0
  return {
    waits,
    platform,
    calls: () => calls,
    rename(): void {
      if (calls++ < times) throw Object.assign(new Error(`${code}: refused`), { code })
    },
    wait: (milliseconds: number): void => void waits.push(milliseconds),
  }
}

describe('rename()', () => {
  test('replaces a file, here', () => {
    using folder = temporaryFolder()
    const [from, to] = ['a', 'b'].map((name) => join(folder.path, name))
    writeFileSync(from, 'new')
    writeFileSync(to, 'old')
    rename(from, to)
    expect(readFileSync(to, 'utf8')).toBe('new')
  })
  test.each(['EPERM', 'EACCES', 'EBUSY'])('on Windows it waits while %s passes', (code) => {
    const system = refusing(3, code)
    rename('a', 'b', system)
    expect([system.calls(), system.waits]).toEqual([4, [10, 20, 50]])
  })
  test('on Windows it gives up after about two seconds, with the error of the system', () => {
    const system = refusing(1000, 'EBUSY')
    expect(() => rename('a', 'b', system)).toThrow('EBUSY: refused')
    const waited = system.waits.reduce((sum, one) => sum + one, 0)
    expect([waited > 1500, waited < 2500]).toEqual([true, true])
  })
  test.each([
    ['win32', 'ENOENT'],
    ['win32', 'ENOSPC'],
    ['linux', 'EPERM'],
    ['darwin', 'EBUSY'],
  ])('on %s there is no second try after %s', (platform, code) => {
    const system = refusing(1, code, platform)
    expect(() => rename('a', 'b', system)).toThrow(code)
    expect([system.calls(), system.waits]).toEqual([1, []])
  })
})
