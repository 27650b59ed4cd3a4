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

  constructor(device: Device, bytes: number, allocation: Allocation = device.allocate(bytes)) {
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
