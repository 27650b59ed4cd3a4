/**
 * The device on which tensors are made when none is named.
 */
import type { Device } from '../contracts/device.ts'
import { referenceDevice } from './reference-device.ts'

let current: Device = referenceDevice

/** The device on which new tensors are made when none is named. */
export function defaultDevice(): Device {
  return current
}

/**
 * Changes the default device; returns a Disposable that changes it back.
 *
 * @example
 * ```ts
 * import { tensor, tensorScope, useDevice } from 'tritune/core'
 * import { openCpu } from 'tritune/plugins/cpu'
 *
 * using _device = useDevice(openCpu()) // until the end of the block
 * using _scope = tensorScope()
 * console.log(tensor([1, 2]).device.name) // → cpu
 * ```
 */
export function useDevice(device: Device): Disposable {
  const previous = current
  current = device
  return {
    [Symbol.dispose]() {
      current = previous
    },
  }
}
