/**
 * A device that has no memory and computes nothing: it counts what another one would hold. A step that runs on it takes every way that a real one takes, as
 * ops look at shapes alone, and its peak is that of the real device.
 *
 * What is read is 0, and what looks for NaN finds none. For estimates only: a result of it says nothing.
 */
import { statSync } from 'node:fs'
import type { Allocation, Device, MemoryReport, Tensor } from '../../../core/mod.ts'
import { findNonFiniteOp } from '../../../core/ops/nonfinite.ts'
import { sizeClassPool } from './size-class-pool.ts'

export interface ShapeDeviceOptions {
  /** Of which kind the real one is. */
  readonly kind: 'cpu' | 'cuda'
  readonly name: string
  /** Bytes that it has. */
  readonly capacity?: number
}

export interface ShapeDevice extends Device {
  /** Bytes that the process, or the GPU, holds at the highest: in use and kept for reuse. */
  readonly resident: () => number
  /** Whether a tensor lies in a mapped file. */
  readonly isMapped: (tensor: Tensor) => boolean
}

const FIRST_ADDRESS = 4096

/** Frees nothing and needs no closing. */
export function shapeDevice({ kind, name, capacity }: ShapeDeviceOptions): ShapeDevice {
  const pool = sizeClassPool()
  const found = new Set<number>()
  const maps = new Set<number>()
  let next = FIRST_ADDRESS
  const place = (bytes: number): number => {
    const address = next
    next += Math.ceil(Math.max(1, bytes) / 64) * 64
    return address
  }
  const mapFile = (path: string): Allocation & { readonly bytes: number } => {
    const { size: bytes } = statSync(path)
    const address = place(bytes)
    maps.add(address)
    return { address, bytes, host: null, free: () => void maps.delete(address) }
  }
  const allocate = (bytes: number): Allocation => {
    const address = place(bytes)
    const block = pool.take(bytes)
    return {
      address,
      host: null,
      free() {
        found.delete(address)
        pool.give(block)
      },
    }
  }
  return {
    name,
    kind,
    description: `${name}, of which only the shapes are looked at`,
    ...(capacity === undefined ? {} : { capacity }),
    computes: false,
    allocate,
    ...(kind === 'cpu' ? { mapFile } : {}),
    openFile: (path) => ({ bytes: statSync(path).size, copyTo() {}, free() {} }),
    implementationOf: (op) => ({
      op,
      supports: () => true,
      run(_, outputs) {
        if (op === findNonFiniteOp && outputs['index']) found.add(outputs['index'].address)
      },
    }),
    write() {},
    read: (address, bytes) => new Uint8Array(bytes).fill(found.has(address) ? 255 : 0),
    copy() {},
    zero() {},
    memory: (): MemoryReport => pool.report(),
    resetPeak: () => pool.resetPeak(),
    resident: () => pool.resident(),
    isMapped: ({ storage }) => maps.has(storage.address),
  }
}
