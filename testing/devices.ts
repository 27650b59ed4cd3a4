/**
 * The devices that results are compared on. Each is opened once, when a check first needs it.
 */
import { type Device, TrituneError } from '../core/mod.ts'
import { openCpu } from '../plugins/cpu/mod.ts'
import { openCuda } from '../plugins/cuda/mod.ts'
import { type ContractCheck, check, skippedCheck } from './check.ts'

/** A device that results are compared on. */
export interface ContractDevice {
  readonly name: string
  /** The device, or why there is none here. */
  open(): Device | string
}

/** The native CPU library, and the CUDA kernels emulated on the CPU. */
export const NATIVE_DEVICES: readonly ContractDevice[] = [
  opener('the CPU', () => openCpu({ threads: 2 })),
  opener('emulated CUDA', () => openCuda({ emulated: true })),
]

/** A check for each device; skipped, with the reason, where the device is not there. */
export function onDevices(
  devices: readonly ContractDevice[],
  name: string,
  body: (device: Device) => void,
): ContractCheck[] {
  return devices.map((one) => {
    const opened = one.open()
    const title = `${name} on ${one.name}`
    return typeof opened === 'string' ? skippedCheck(title, opened) : check(title, () => body(opened))
  })
}

/** The native CPU where there is one: for checks that need speed and no oracle. */
export function quickDevice(fallback: Device): Device {
  const opened = NATIVE_DEVICES[0].open()
  return typeof opened === 'string' ? fallback : opened
}

function opener(name: string, open: () => Device): ContractDevice {
  let opened: Device | string | undefined
  return { name, open: () => (opened ??= openOr(open)) }
}

function openOr(open: () => Device): Device | string {
  try {
    return open()
  } catch (error) {
    if (error instanceof TrituneError && (error.code === 'E_LIBRARY' || error.code === 'E_DEVICE'))
      return [error.what, ...(error.remedy === undefined ? [] : [error.remedy])].join('; ')
    throw error
  }
}
