/**
 * Memory between two pages that nobody may touch: a read or write one byte past a buffer ends the process.
 */
import { dlopen, type Pointer, toArrayBuffer } from 'bun:ffi'

const PAGE = 4096
export const SLOT_BYTES: number = 2 ** 20
const PROT_NONE = 0
const PROT_READ_WRITE = 3
const MAP_PRIVATE_ANONYMOUS = 0x22

export interface GuardedSlot {
  /** `bytes` bytes that end (or begin) where the guard is; at most SLOT_BYTES. */
  place(bytes: number, atEnd: boolean): { readonly address: number; readonly view: Uint8Array<ArrayBuffer> }
}

/** Linux only. */
export function guardedSlots(count: number): GuardedSlot[] {
  const { symbols } = dlopen('libc.so.6', {
    mmap: { args: ['ptr', 'usize', 'i32', 'i32', 'i32', 'i64'], returns: 'ptr' },
    mprotect: { args: ['ptr', 'usize', 'i32'], returns: 'i32' },
  })
  return Array.from({ length: count }, () => {
    const start = Number(
      symbols.mmap(null, BigInt(SLOT_BYTES + 2 * PAGE), PROT_NONE, MAP_PRIVATE_ANONYMOUS, -1, 0n),
    )
    if (start <= 0) throw new Error('mmap failed')
    const first = (start + PAGE) as Pointer
    if (symbols.mprotect(first, BigInt(SLOT_BYTES), PROT_READ_WRITE) !== 0) throw new Error('mprotect failed')
    const whole = toArrayBuffer(first, 0, SLOT_BYTES)
    return {
      place(bytes, atEnd) {
        const at = atEnd ? SLOT_BYTES - bytes : 0
        return { address: first + at, view: new Uint8Array(whole, at, bytes) }
      },
    }
  })
}
