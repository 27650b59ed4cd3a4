/**
 * The device that a run is given by name: `auto`, `cpu`, `cuda`, `cuda:1`, `cuda-emulated`; and why it is that one.
 */
import { existsSync } from 'node:fs'
import { type Device, TrituneError } from '../../core/mod.ts'
import { cudaDriverVersion } from '../../core/native/cuda-driver.ts'
import { installCommand } from '../../core/install-command.ts'
import { libraryCandidates } from '../../core/native/library.ts'
import { noGpuLibrary, PLATFORM } from '../../core/native/platforms.ts'
import { isCheckout } from '../../core/invocation.ts'
import { platformPackage } from '../../core/native/platform-packages.ts'
import { openCpuOrReference, selfCheck } from '../cpu/mod.ts'
import { openCuda } from './device.ts'

/** `cuda` is `cuda:0`; `auto` is a GPU where one can be used, else the CPU. */
export type DeviceName = 'auto' | 'cpu' | 'cuda' | `cuda:${number}` | 'cuda-emulated'

/** The device that a name gave, and what should be said about the choice. */
export interface OpenedDevice {
  readonly device: Device
  /** Why it is not a GPU although `auto` would take one; else null. */
  readonly reason: string | null
  /** What else should be said: no native library, … */
  readonly note: string | null
}

/** Options of `openDevice()`; they hold where the CPU is opened. */
export interface OpenDeviceOptions {
  /** Threads of the CPU; 0 = every core the process may use. */
  readonly threads?: number
}

/** Whether `name` can be the name of a device. */
export function isDeviceName(name: unknown): name is DeviceName {
  return typeof name === 'string' && /^(auto|cpu|cuda(:\d{1,3})?|cuda-emulated)$/.test(name)
}

/**
 * Throws E_DEVICE or E_LIBRARY, with the remedy, when the device that was asked for cannot be used.
 *
 * @example
 * ```ts
 * import { openDevice } from 'tritune/plugins/cuda'
 *
 * const { device, reason } = openDevice('auto', { threads: 2 })
 * console.log(device.description, reason) // why it is no GPU, where it is none
 * ```
 */
export function openDevice(name: DeviceName, { threads = 0 }: OpenDeviceOptions = {}): OpenedDevice {
  if (name === 'cpu') return { ...openCpuOrReference({ threads }), reason: null }
  if (name !== 'auto') return { device: openByName(name), reason: null, note: null }
  try {
    return { device: openGpu(0), reason: null, note: null }
  } catch (error) {
    if (!(error instanceof TrituneError)) throw error
    return { ...openCpuOrReference({ threads }), reason: whyNot(error) }
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function openByName(name: Exclude<DeviceName, 'auto' | 'cpu'>): Device {
  if (name === 'cuda-emulated') return openCuda({ emulated: true })
  return openGpu(Number(name.split(':')[1] ?? 0))
}

function openGpu(ordinal: number): Device {
  const device = openCuda({ ordinal })
  selfCheck(device)
  return device
}

/** One line, without the remedy: nobody asked for a GPU. */
function whyNot({ message }: TrituneError): string {
  if (!libraryCandidates('cuda').some((path) => existsSync(path))) {
    if (isCheckout() || noGpuLibrary() !== null) return `no GPU library for ${PLATFORM}`
    if (cudaDriverVersion() === null) return 'no NVIDIA driver'
    return `there is an NVIDIA driver; to use the GPU: ${installCommand(platformPackage('cuda'))}`
  }
  return message.split('\n')[0]
}
