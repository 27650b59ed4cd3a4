/**
 * Memory that lies in a file: the system takes pages away when memory is short, and brings them back when they are used. It is reserved on the
 * disk when it is allocated, so a full disk is an error then and no crash later.
 */
import type { Allocation } from '../contracts/device.ts'
import { canMapFiles, type MappedPart, mapPart } from '../native/map-file.ts'
import { openScratchFile } from './scratch-file.ts'

export interface PagedMemory extends Disposable {
  /** Bytes that are allocated. */
  readonly bytes: number
  /** Throws E_DISK, E_MEMORY. */
  allocate(bytes: number): Allocation
  /** Takes no memory until it is used again. */
  rest(): void
}

/** null where files cannot be mapped. `path` and `remedy` as for `openScratchFile()`; what is allocated is to be freed before it is closed. */
export function openPagedMemory(path: string, remedy: string): PagedMemory | null {
  if (!canMapFiles()) return null
  const file = openScratchFile(path, remedy)
  const parts = new Set<MappedPart>()
  let end = 0
  let live = 0
  return {
    get bytes() {
      return live
    },
    allocate(bytes) {
      const length = Math.ceil(Math.max(1, bytes) / PAGE) * PAGE
      const start = end
      for (let at = 0; at < length; at += ZEROS.length)
        file.write(ZEROS.subarray(0, Math.min(ZEROS.length, length - at)), start + at)
      const part = mapPart(file.fd, start, length)
      end += length
      live += length
      parts.add(part)
      return {
        address: part.address,
        get host() {
          return part.host
        },
        free() {
          if (!parts.delete(part)) return
          live -= length
          part.free()
        },
      }
    },
    rest() {
      for (const part of parts) part.rest()
    },
    [Symbol.dispose]() {
      for (const part of parts) part.free()
      parts.clear()
      file[Symbol.dispose]()
    },
  }
}

/** A multiple of every page size there is. */
const PAGE = 65536
const ZEROS: Uint8Array = new Uint8Array(16 * PAGE)
