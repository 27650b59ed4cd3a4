/**
 * The device that a run is given by name: `auto`, `cpu`, `wasm`, `cuda`, `cuda:1`, `cuda-emulated`; and why it is that one.
 */
import { existsSync } from 'node:fs'
import { type Device, referenceDevice, TrituneError } from '../../core/mod.ts'
import { cudaDriverVersion } from '../../core/native/cuda-driver.ts'
import { isKoffiMissing } from '../../core/native/ffi.ts'
import { installCommand } from '../../core/install-command.ts'
import { libraryCandidates, openLibrary } from '../../core/native/library.ts'
import { noCpuLibrary, noGpuLibrary, PLATFORM } from '../../core/native/platforms.ts'
import { isCheckout } from '../../core/invocation.ts'
import { platformPackage } from '../../core/native/platform-packages.ts'
import { openCpu, selfCheck } from '../cpu/mod.ts'
import { openWasm } from '../wasm/mod.ts'
import { openCuda } from './device.ts'

/** `cuda` is `cuda:0`; `auto` is a GPU where one can be used, else the CPU; where that has no native library, WebAssembly. */
export type DeviceName = 'auto' | 'cpu' | 'wasm' | 'cuda' | `cuda:${number}` | 'cuda-emulated'

/** The device that a name gave, and what should be said about the choice. */
export interface OpenedDevice {
  readonly device: Device
  /** Why it is not a GPU although `auto` would take one; else null. */
  readonly reason: string | null
  /** What else should be said: that there is no native library, and what runs instead. */
  readonly note: string | null
}

/** Options of `openDevice()`; they hold where the CPU is opened. */
export interface OpenDeviceOptions {
  /** Threads of the CPU; 0 = every core the process may use. */
  readonly threads?: number
  /** Which of the processes of this machine: GPUs go round among them, where the name does not say one. Default 0. */
  readonly process?: number
}

/** Whether `name` can be the name of a device. */
export function isDeviceName(name: unknown): name is DeviceName {
  return typeof name === 'string' && /^(auto|cpu|wasm|cuda(:\d{1,3})?|cuda-emulated)$/.test(name)
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
export function openDevice(
  name: DeviceName,
  { threads = 0, process = 0 }: OpenDeviceOptions = {},
): OpenedDevice {
  if (name === 'cpu') return { ...openHost(threads, false), reason: null }
  if (name === 'wasm') return { device: openWasm({ threads }), reason: null, note: null }
  if (name !== 'auto') return { device: openByName(name, process), reason: null, note: null }
  try {
    return { device: openGpu(gpuOf(process)), reason: null, note: null }
  } catch (error) {
    if (!(error instanceof TrituneError)) throw error
    return { ...openHost(threads, true), reason: whyNot(error) }
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/**
 * The CPU by its native library; where none is made for the platform, by WebAssembly, and last by the reference. A library that should be
 * there and is not, or is damaged, is an error. `withoutKoffi`: Node without koffi takes WebAssembly too.
 */
function openHost(threads: number, withoutKoffi: boolean): Omit<OpenedDevice, 'reason'> {
  try {
    return { device: openCpu({ threads }), note: null }
  } catch (error) {
    if (!(error instanceof TrituneError) || error.code !== 'E_LIBRARY') throw error
    const none = noCpuLibrary()
    if (none === null && !(withoutKoffi && isKoffiMissing())) throw error
    const why = none ?? 'Node needs the package koffi for the native library (npm install koffi)'
    return openWasmOrReference(threads, why)
  }
}

function openWasmOrReference(threads: number, why: string): Omit<OpenedDevice, 'reason'> {
  try {
    const device = openWasm({ threads })
    return { device, note: `${why}: running on WebAssembly, which takes two to four times as long` }
  } catch (error) {
    if (!(error instanceof TrituneError) || error.code !== 'E_LIBRARY') throw error
    return {
      device: referenceDevice,
      note: `${why}, and WebAssembly cannot be used (${error.message.split('\n')[0]}): running on the TypeScript reference, which is slow`,
    }
  }
}

function openByName(name: Exclude<DeviceName, 'auto' | 'cpu' | 'wasm'>, process: number): Device {
  if (name === 'cuda-emulated') return openCuda({ emulated: true })
  return openGpu(name === 'cuda' ? gpuOf(process) : Number(name.split(':')[1]))
}

/** That of a process among those of this machine; what is wrong with GPUs is told when it is opened. */
function gpuOf(process: number): number {
  return process === 0 ? 0 : process % Math.max(1, openLibrary('cuda').devices().devices.length)
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
