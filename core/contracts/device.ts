/**
 * What a device is to core: memory and implementations of ops. Devices are connectors without behaviour of their own;
 * plugins/cpu and plugins/cuda provide the native ones. The reference device is the TypeScript oracle: it runs
 * everywhere and is slow.
 */
import { TrituneError } from '../errors.ts'
import type { OpImplementation, OpKey } from '../tensor/op.ts'

export interface Allocation {
  /** Address for native calls; 0 on the reference device. */
  readonly address: number
  /** Zero-copy host view, when the host can address the memory. */
  readonly host: ArrayBuffer | null
  free(): void
}

export interface MemoryReport {
  /** Bytes in use by tensors. */
  readonly live: number
  /** Bytes kept for reuse. */
  readonly pooled: number
  /** Highest `live` since the start or the last reset. */
  readonly peak: number
  /** Rises when memory comes from the operating system or the driver, not from the pool. */
  readonly growth: number
}

/** A file whose bytes reach the memory of a device without passing through JavaScript. */
export interface DeviceFile {
  readonly bytes: number
  /** Copies `bytes` bytes from `offset` of the file to device memory. */
  copyTo(address: number, offset: number, bytes: number): void
  free(): void
}

export interface Device {
  /** `cpu`, `cuda:0`, `reference` */
  readonly name: string
  readonly kind: 'reference' | 'cpu' | 'cuda'
  /** One line for people: instruction set, threads, memory. */
  readonly description: string
  /** Bytes of memory that it has, where that is a limit of its own. */
  readonly capacity?: number
  allocate(bytes: number): Allocation
  /** Maps a file read-only for tensors to live in, or null where the device cannot. */
  mapFile?(path: string): Allocation & { readonly bytes: number }
  /** Opens a file to copy tensors out of, where `mapFile` is not possible. */
  openFile?(path: string): DeviceFile
  implementationOf(op: OpKey): OpImplementation | undefined
  /** Copies into a tensor's memory when there is no host view; `bytes` may be changed on return. */
  write?(address: number, bytes: Uint8Array): void
  /** Copies out of a tensor's memory when there is no host view; waits for the work that is queued. */
  read?(address: number, bytes: number): Uint8Array
  /** Copies within the device. */
  copy?(to: number, from: number, bytes: number): void
  /** Sets memory to 0; without it the host view is used. */
  zero?(address: number, bytes: number): void
  /** Waits for the work that is queued; without it there is never any. Throws what went wrong meanwhile. */
  synchronize?(): void
  memory(): MemoryReport
  resetPeak(): void
}

/** A device with GPU memory, or its emulation; the type that `GpuDispatchable.dispatchGpu` gets. */
export interface GpuDevice extends Device {
  readonly kind: 'cuda'
}

let live = 0
let peak = 0

/** TypeScript only: tensors in ArrayBuffers, ops by their f64 reference. */
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
