/**
 * What is alive before and after: tensors, and bytes of a device.
 */
import { countLiveTensors, type Device } from '../core/mod.ts'
import { expectKept } from './check.ts'

/** Throws when `work` leaves tensors or memory of the device behind. */
export function expectNothingLeft(device: Device, lookAt: string, work: () => void): void {
  const before = { tensors: countLiveTensors(), bytes: device.memory().live }
  work()
  const tensors = countLiveTensors() - before.tensors
  const bytes = device.memory().live - before.bytes
  expectKept(tensors === 0 && bytes === 0, () => ({
    expected: 'as many tensors and bytes alive as before',
    got: `${tensors} tensors and ${bytes} bytes more`,
    lookAt,
  }))
}
