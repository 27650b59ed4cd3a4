/**
 * How much memory a machine has left, as its system says it.
 */
import { expect, test } from 'bun:test'
import { totalmem } from 'node:os'
import { availableMemory, linuxAvailable, macosAvailable } from '../../core/native/available-memory.ts'

test('here it is more than nothing, and not more than there is', () => {
  expect(availableMemory()).toBeGreaterThan(2 ** 20)
  expect(availableMemory()).toBeLessThanOrEqual(totalmem())
})

test('Linux: what could be had, not what is unused', () => {
  const meminfo = 'MemTotal:       16262004 kB\nMemFree:          331712 kB\nMemAvailable:   11043220 kB\n'
  expect(linuxAvailable(meminfo)).toBe(11043220 * 1024)
  expect(linuxAvailable('MemFree: 1 kB\n')).toBeUndefined()
})

test('macOS: free and inactive pages', () => {
  // free_count, active_count, inactive_count, wire_count, …
  const statistics = new DataView(Uint32Array.of(8367, 389427, 385914, 116390, 1, 2, 3).buffer)
  expect(macosAvailable(statistics, 16384)).toBe((8367 + 385914) * 16384)
})
