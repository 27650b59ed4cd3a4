/**
 * The reference device: TypeScript only, tensors in ArrayBuffers, ops by their f64 reference. It runs everywhere and is slow.
 */
import { TrituneError } from '../errors.ts'
import type { Device } from '../contracts/device.ts'

let live = 0
let peak = 0

/** The oracle of the tests, and the device where there is no native library. */
export const referenceDevice: Device = {
  name: 'reference',
  kind: 'reference',
  description: 'TypeScript reference (slow; for tests and platforms without a native library)',
  allocate(bytes) {
    const host = bufferOf(bytes)
    live += bytes
    peak = Math.max(peak, live)
    return {
      address: 0,
      host,
      free() {
        live -= bytes
      },
    }
  },
  implementationOf: () => undefined,
  memory: () => ({ live, pooled: 0, peak, growth: 0 }),
  resetPeak() {
    peak = live
  },
}

function bufferOf(bytes: number): ArrayBuffer {
  try {
    return new ArrayBuffer(bytes)
  } catch (cause) {
    throw new TrituneError('E_MEMORY', `JavaScript has no buffer of ${bytes} bytes`, { cause })
  }
}
