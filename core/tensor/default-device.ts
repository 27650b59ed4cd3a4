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

/** Changes the default device; returns a Disposable that changes it back. */
export function useDevice(device: Device): Disposable {
  const previous = current
  current = device
  return {
    [Symbol.dispose]() {
      current = previous
    },
  }
}
