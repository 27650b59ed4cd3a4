/**
 * The bundled CUDA libraries as files: nothing is loaded, so any machine can say whether they are what the sources make.
 */
import { describe, expect, test } from 'bun:test'
import { LIBRARIES, libraryProblems, tableProblems } from '../../scripts/checks/native.ts'
import { readKernelTable } from '../../scripts/native/kernel-table.ts'
import { SYMBOLS } from '../../core/native/symbols.ts'

describe('the bundled native libraries', () => {
  for (const library of LIBRARIES) {
    test(`${library.path} has the whole ABI, needs libc only and is made of these sources`, () => {
      expect(libraryProblems(library, Object.keys(SYMBOLS))).toEqual([])
    })
  }
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
