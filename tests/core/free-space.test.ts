/**
 * Asking for room on a disk before something large is written.
 */
import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { TrituneError } from '../../core/mod.ts'
import { expectSpace, freeSpace } from '../../core/files/free-space.ts'
import { temporaryFolder } from '../_golden.ts'

test('the space of a folder that is not there yet is that of the one above it', () => {
  using folder = temporaryFolder()
  const here = freeSpace(folder.path) ?? 0
  expect(here).toBeGreaterThan(0)
  const below = freeSpace(join(folder.path, 'not/there')) ?? 0
  // Others write meanwhile.
  expect(Math.abs(below - here)).toBeLessThan(2 ** 30)
})

test('expectSpace() lets through what fits, and says what does not, where, and what to do', () => {
  using folder = temporaryFolder()
  const about = { what: 'a copy', remedy: 'use another disk' }
  expectSpace(folder.path, 1, about)
  try {
    expectSpace(folder.path, 2 ** 60, about)
    throw new Error('it was let through')
  } catch (error) {
    if (!(error instanceof TrituneError)) throw error
    expect(error.code).toBe('E_DISK')
    expect(error.message).toMatch(/a copy takes 1073741824\.00 GiB of disk, and [\d.]+ GiB are free/)
    expect(error.message).toContain(folder.path)
    expect(error.message).toContain('use another disk')
  }
})
