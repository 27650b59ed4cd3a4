/**
 * One buffer on one device, shared by the tensors that look into it and by what the tape saved; freed with the last.
 * Users never see it: a Tensor is a handle on a Storage.
 */
import type { Allocation, Device } from '../contracts/device.ts'

export class Storage {
  readonly device: Device
  readonly bytes: number
  readonly #allocation: Allocation
  #owners = 1

  constructor(device: Device, bytes: number, allocation: Allocation = allocateOn(device, bytes)) {
    this.device = device
    this.bytes = bytes
    this.#allocation = allocation
  }

  get address(): number {
    return this.#allocation.address
  }

  /** Zero-copy host view of the whole buffer, or null (GPU memory). */
  get host(): ArrayBuffer | null {
    return this.#allocation.host
  }

  /** True when nobody else looks into this buffer: it may then be changed in place. */
  get exclusive(): boolean {
    return this.#owners === 1
  }

  retain(): this {
    this.#owners++
    return this
  }

  release(): void {
    if (--this.#owners === 0) this.#allocation.free()
  }
}

/** Memory for a tensor that somebody else than its device gives; null: the device does. */
export type Allocator = (device: Device, bytes: number) => Allocation | null

let allocator: Allocator | null = null

/** Runs `fn`; memory of tensors that are made meanwhile comes from `allocate`, where it gives some. Returns what `fn` returns. */
export function withAllocator<T>(allocate: Allocator, fn: () => T): T {
  const before = allocator
  allocator = allocate
  try {
    return fn()
  } finally {
    allocator = before
  }
}

function allocateOn(device: Device, bytes: number): Allocation {
  return allocator?.(device, bytes) ?? device.allocate(bytes)
}
