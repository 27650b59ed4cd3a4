/**
 * The emulated GPU for tests, and whether its build has what a test needs.
 */
import { existsSync } from 'node:fs'
import type { GpuDevice } from '../../core/mod.ts'
import { libraryCandidates, openLibrary } from '../../core/native/library.ts'
import type { NativeFunctions } from '../../core/native/symbols.ts'
import { openCuda } from '../../plugins/cuda/mod.ts'

/** TEMPORARY, until all kernels are there: false when the emulated library or one of these functions is missing. */
export function emulatedHas(...names: readonly (keyof NativeFunctions)[]): boolean {
  if (!existsSync(libraryCandidates('cuda-emulated')[0])) return false
  const library = openLibrary('cuda-emulated')
  return names.every((name) => library.has(name))
}

export function openEmulated(): GpuDevice {
  return openCuda({ emulated: true })
}
