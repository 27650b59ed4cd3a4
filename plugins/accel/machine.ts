/**
 * What runs here: the version of tritune, and whether there is a GPU.
 */
import { packageVersion } from '../../core/invocation.ts'
import { openLibrary } from '../../core/native/library.ts'
import { TrituneError } from '../../core/mod.ts'

/** The version of tritune, `1.2.3`. */
export function version(): string {
  return packageVersion()
}

/** Whether an NVIDIA GPU can be used: library, driver and device are there. `openDevice('cuda')` of plugins/cuda says why not. */
export function cudaAvailable(): boolean {
  try {
    const { problem, devices } = openLibrary('cuda').devices()
    return problem === null && devices.length > 0
  } catch (error) {
    if (error instanceof TrituneError) return false
    throw error
  }
}
