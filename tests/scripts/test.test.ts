import { describe, expect, test } from 'bun:test'
import { tallyBun, tallyScript } from '../../scripts/test.ts'

const SUMMARY = '\n 12 pass\n 1 skip\n 2 fail\n 30 expect() calls\nRan 15 tests across 3 files. [1.00s]\n'

describe('tallyBun()', () => {
  test('`tallyBun()` reads the summary', () => {
    expect(tallyBun(SUMMARY, 1)).toEqual({ passed: 12, failed: 2 })
  })
  test('`tallyBun()` reads through colours', () => {
    expect(tallyBun('\u001B[32m 7 pass\u001B[0m\n\u001B[2m 0 fail\u001B[0m\n', 0)).toEqual({
      passed: 7,
      failed: 0,
    })
  })
  test('`tallyBun()` counts errors outside of tests', () => {
    expect(tallyBun(' 3 pass\n 0 fail\n 1 error\n', 1)).toEqual({ passed: 3, failed: 1 })
    expect(tallyBun(' 3 pass\n 1 fail\n 2 errors\n', 1)).toEqual({ passed: 3, failed: 3 })
  })
  test('`tallyBun()` counts a crash as one failure', () => {
    expect(tallyBun('panic: Segmentation fault\n', 139)).toEqual({ passed: 0, failed: 1 })
    expect(tallyBun(' 5 pass\n 0 fail\n', 134)).toEqual({ passed: 5, failed: 1 })
  })
  test('`tallyBun()` takes the last summary, not what a test printed', () => {
    expect(tallyBun(` 99 pass\n 99 fail\n${SUMMARY}`, 1)).toEqual({ passed: 12, failed: 2 })
  })
})

describe('tallyScript()', () => {
  test('`tallyScript()` reads the last tally', () => {
    expect(tallyScript('1 passed, 0 failed\n3 passed, 1 failed\n', 1)).toEqual({ passed: 3, failed: 1 })
  })
  test('`tallyScript()` counts a script without a tally as one failure', () => {
    expect(tallyScript('', 0)).toEqual({ passed: 0, failed: 1 })
    expect(tallyScript('3 passed, 0 failed\n', 139)).toEqual({ passed: 3, failed: 1 })
  })
})
