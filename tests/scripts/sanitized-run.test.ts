/**
 * Which reports of a sanitizer are ours.
 */
import { expect, test } from 'bun:test'
import { ownReports } from '../../scripts/native/sanitized-run.ts'

const OURS = '    #0 <null> <null> (libtritune_cuda_emulated.so+0x17ee8c)'
const ENGINES = '    #0 <null> <null> (bun.exe+0x55939af)'
const TAIL =
  "  Thread T8 'worker' (tid=5, running) created by main thread at:\n    #0 <null> <null> (bun.exe+0x1)"

function race(by: string, frame: string, previousBy: string, previousFrame: string): string {
  const previous = `  Previous write of size 8 at 0x7fbe by ${previousBy}:\n${previousFrame}`
  return `WARNING: ThreadSanitizer: data race (pid=1)\n  Read of size 8 at 0x7fbe by ${by}:\n${frame}\n\n${previous}\n\n${TAIL}\n`
}

test('races count when a frame of ours is among the accesses', () => {
  const reports = [
    race('main thread', OURS, 'thread T8', OURS),
    race('thread T8', OURS, 'main thread', ENGINES),
    race('main thread', ENGINES, 'thread T8', OURS),
  ]
  expect(ownReports(reports.join('==================\n')).length).toBe(3)
  expect(ownReports(race('main thread', ENGINES, 'thread T8', ENGINES))).toEqual([])
})

test('memory that a thread of the JavaScript engine had before is not ours', () => {
  expect(ownReports(race('main thread', OURS, 'thread T8', ENGINES))).toEqual([])
  expect(ownReports(race('thread T8', ENGINES, 'main thread', OURS))).toEqual([])
})

test('reports of the other sanitizers count', () => {
  const overflow = `==12==ERROR: AddressSanitizer: heap-buffer-overflow\nREAD of size 4 at 0x5 thread T0\n${OURS}\n`
  const shift = 'native/cpu/runtime/ranges.h:12:3: runtime error: shift exponent 64 is too large\n'
  expect(ownReports(`${overflow}${shift}`).length).toBe(2)
  expect(ownReports('foreign.h:12:3: runtime error: shift\n')).toEqual([])
})
