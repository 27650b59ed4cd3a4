/**
 * The emulator itself: kernels with a planted mistake must not pass under every schedule.
 */
import { existsSync } from 'node:fs'
import { describe, expect, test } from 'bun:test'
import { libraryCandidates } from '../../core/native/library.ts'
import { openPlanted, plantedInput as x, SCHEDULES } from './_planted.ts'

const [path] = libraryCandidates('cuda-emulated')
const THREADS = 64

describe.skipIf(!existsSync(path))('the emulator', () => {
  const planted = openPlanted()
  const reversed = Float32Array.from({ length: THREADS }, (_, i) => x(THREADS - 1 - i))
  const sums = Float32Array.from({ length: THREADS }, (_, i) => {
    let sum = 0
    for (let tile = 0; tile < 4; tile++)
      for (let k = 0; k < 4; k++) sum += x(tile * 256 + (THREADS - 1 - i) * 4 + k)
    return sum
  })
  /** Schedules under which the kernel gives `expected` without an error. */
  const passing = (which: string, expected: Float32Array): string[] =>
    SCHEDULES.filter((schedule) => {
      const { status, out } = planted(which, schedule)
      return status === 0 && expected.every((value, i) => Object.is(value, out[i]))
    })

  test('right kernels pass under every schedule', () => {
    expect(passing('right reverse', reversed)).toEqual([...SCHEDULES])
    expect(passing('right copies', sums)).toEqual([...SCHEDULES])
  })

  test('a missing barrier gives wrong numbers, in either order', () => {
    expect(passing('missing barrier', reversed)).toEqual([])
  })

  test('a missing wait for a copy is named when copies are late', () => {
    for (const schedule of SCHEDULES.filter((name) => name.endsWith('late'))) {
      const { status, message } = planted('missing copy wait', schedule)
      expect(status).toBe(-5)
      expect(message).toContain('ends with cp.async under way')
    }
  })

  test('a missing barrier behind the last read gives wrong numbers when a thread runs ahead', () => {
    const passed = passing('missing trailing barrier', sums)
    expect(passed.length).toBeLessThan(SCHEDULES.length)
    expect(passed.some((name) => name.startsWith('greedy') && name.endsWith('early'))).toBe(false)
  })

  // A sanitizer ends the process instead.
  test.skipIf(process.env.TRITUNE_EMULATOR_SANITIZED === '1')('writing past shared memory is named', () => {
    for (const schedule of SCHEDULES) {
      const { status, message } = planted('shared-memory overflow', schedule)
      expect(status).toBe(-5)
      expect(message).toContain('wrote 12 bytes past its 256 bytes of dynamic shared memory')
    }
  })

  test('a barrier that not all threads reach is named with its line', () => {
    for (const schedule of SCHEDULES) {
      const { status, message } = planted('divergent barrier', schedule)
      expect(status).toBe(-5)
      expect(message).toMatch(/(deadlock|disagree|not in its own mask).*planted\.cu:\d+/)
    }
    expect(planted('right reverse', 'greedy').status).toBe(0)
  })
})
