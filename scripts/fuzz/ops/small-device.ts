/**
 * A device that has no memory for what is merely large: a fuzzer asks for 8 GiB as often as for −1, and that is no mistake.
 */
import { type Device, TrituneError } from '../../../core/mod.ts'

const MOST = 2 ** 28

export function smallDevice(device: Device): Device {
  return {
    ...device,
    allocate(bytes) {
      if (bytes > MOST) throw new TrituneError('E_MEMORY', `fuzzing: ${bytes} bytes`)
      return device.allocate(bytes)
    },
  }
}
