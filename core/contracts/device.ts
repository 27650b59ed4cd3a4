/**
 * What a device is to core: memory and implementations of ops. Devices are connectors without behaviour of their own;
 * plugins/cpu and plugins/cuda provide the native ones, core/tensor/reference-device.ts is the TypeScript oracle.
 *
 * A device sees arrays, not tensors: nothing here knows of tapes or lifetimes.
 */
import type { DType } from '../tensor/dtype.ts'
import type { Shape } from '../tensor/shape.ts'

/** An array in the memory of a device, contiguous and row-major. A Tensor is one. */
export interface ArrayView {
  readonly shape: Shape
  readonly dtype: DType
  readonly size: number
  readonly bytes: number
  /** Address for native calls; 0 on the reference device. */
  readonly address: number
}

/** The inputs of an op as a device sees them, by name; undefined where an optional one is not given. */
export type ArrayInputs = { readonly [name: string]: ArrayView | undefined }
/** The outputs of an op as a device sees them, by name; null where one is not wanted. */
export type ArrayOutputs = { readonly [name: string]: ArrayView | null }

/** An op as the registry of a device knows it: by identity. */
export interface OpKey {
  readonly name: string
}

/**
 * What a device's implementation of an op is called with: inputs, outputs that are made already, and the op's numbers.
 */
export interface OpArguments<I extends ArrayInputs, P, R extends ArrayOutputs> {
  readonly inputs: I
  readonly outputs: R
  readonly params: P
}

/** A device's version of an op; `implement()` of core/tensor/op.ts makes it from a typed one. */
export interface OpImplementation {
  readonly op: OpKey
  /** true, or the reason why not. */
  supports(inputs: ArrayInputs, params: unknown): true | string
  run(inputs: ArrayInputs, outputs: ArrayOutputs, params: unknown): void
  /** Many calls as one, where that is faster: the same results. */
  runMany?(calls: readonly OpArguments<ArrayInputs, unknown, ArrayOutputs>[]): void
}

/** A piece of a device's memory. `free` gives it back; after that the address and the view are not valid. */
export interface Allocation {
  /** Address for native calls; 0 on the reference device. */
  readonly address: number
  /** Zero-copy host view, when the host can address the memory. */
  readonly host: ArrayBuffer | null
  free(): void
}

/** What a device's memory is used for, in bytes; `growth` is a count. */
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

/**
 * Memory and implementations of ops: the CPU, a GPU, or the TypeScript reference. Made by `openCpu()`, `openCuda()` or
 * a plugin; tensors and ops go through it.
 */
export interface Device {
  /** `cpu`, `cuda:0`, `reference` */
  readonly name: string
  readonly kind: 'reference' | 'cpu' | 'cuda'
  /** One line for people: instruction set, threads, memory. */
  readonly description: string
  /** Bytes of memory that it has, where that is a limit of its own. */
  readonly capacity?: number
  /** False of a device that holds shapes alone: what is to be written there need not be read. Not given: it computes. */
  readonly computes?: boolean
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
