/**
 * The table of the bundled CUDA kernels: of these sources, and the same kernels in both libraries. The libraries as files:
 * tests/native/bundled.test.ts.
 */
import { describe, expect, test } from 'bun:test'
import { tableProblems } from '../../scripts/checks/native.ts'
import { readKernelTable } from '../../scripts/native/kernel-table.ts'

describe('the table of kernels', () => {
  test('kernels.json is of these sources, and no kernel of it uses local memory', () => {
    expect(tableProblems()).toEqual([])
    for (const { kernels, targets } of readKernelTable().builds) {
      for (const { registers, name } of kernels) {
        expect([name, registers.length, Math.min(...registers) > 0]).toEqual([name, targets.length, true])
      }
    }
  })
  test('both libraries have the same kernels', () => {
    const names = readKernelTable().builds.map(({ kernels }) => kernels.map(({ name }) => name))
    expect(names[1]).toEqual(names[0])
  })
})
