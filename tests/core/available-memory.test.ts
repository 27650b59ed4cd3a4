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

test('macOS: free, speculative and inactive pages', () => {
  const vmStat = `Mach Virtual Memory Statistics: (page size of 16384 bytes)
Pages free:                                5867.
Pages active:                            389427.
Pages inactive:                          385914.
Pages speculative:                         2500.
Pages throttled:                              0.
Pages wired down:                        116390.
Pages purgeable:                          12201.
`
  expect(macosAvailable(vmStat)).toBe((5867 + 385914 + 2500) * 16384)
  expect(macosAvailable('vm_stat: not found')).toBeUndefined()
})
