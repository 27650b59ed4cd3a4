/**
 * The memory of a WebAssembly instance. It grows, and with it every view made before is cut off: so views are made for each
 * use and never kept, and what is handed out is a copy.
 */
import { TrituneError } from '../../core/mod.ts'

export const PAGE = 65536

/** What 32-bit addresses reach, less a page: WebAssembly's own limit is one page more, which no size of 32 bits can say. */
export const MOST_PAGES = 65535

export interface Heap {
  readonly memory: WebAssembly.Memory
  /** Bytes that it can grow to. */
  readonly most: number
  /** A copy. */
  read(address: number, bytes: number): Uint8Array<ArrayBuffer>
  write(address: number, bytes: Uint8Array): void
  /** NUL-terminated UTF-8. */
  text(address: number): string
}

export interface HeapOptions {
  readonly firstPages: number
  readonly mostPages: number
  readonly shared: boolean
}

/** E_MEMORY where the engine reserves no memory of this size. */
export function createHeap({ firstPages, mostPages, shared }: HeapOptions): Heap {
  const memory = newMemory(firstPages, mostPages, shared)
  const all = (): Uint8Array => new Uint8Array(memory.buffer)
  return {
    memory,
    most: mostPages * PAGE,
    read: (address, bytes) => Uint8Array.from(new Uint8Array(memory.buffer, address, bytes)),
    write: (address, bytes) => all().set(bytes, address),
    text(address) {
      const whole = all()
      // A decoder takes no shared memory.
      return new TextDecoder().decode(Uint8Array.from(whole.subarray(address, whole.indexOf(0, address))))
    },
  }
}

function newMemory(initial: number, maximum: number, shared: boolean): WebAssembly.Memory {
  if (initial > maximum)
    throw new TrituneError(
      'E_MEMORY',
      `the library itself needs a heap of ${initial * PAGE} bytes, ${maximum * PAGE} are allowed`,
      { remedy: 'allow more with the option heap' },
    )
  try {
    return new WebAssembly.Memory({ initial, maximum, shared })
  } catch (cause) {
    throw new TrituneError(
      'E_MEMORY',
      `this engine reserves no WebAssembly memory of ${maximum * PAGE} bytes: ${cause instanceof Error ? cause.message : String(cause)}`,
      { remedy: 'ask for a smaller one with the option heap', cause },
    )
  }
}
