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
  /** The first that the engine reserves is taken. */
  readonly mostPages: readonly number[]
  readonly shared: boolean
}

/** E_MEMORY where the engine reserves no memory of any of these sizes. */
export function createHeap({ firstPages, mostPages, shared }: HeapOptions): Heap {
  const { memory, pages } = newMemory(firstPages, mostPages, shared)
  const all = (): Uint8Array => new Uint8Array(memory.buffer)
  return {
    memory,
    most: pages * PAGE,
    read: (address, bytes) => Uint8Array.from(new Uint8Array(memory.buffer, address, bytes)),
    write: (address, bytes) => all().set(bytes, address),
    text(address) {
      const whole = all()
      // A decoder takes no shared memory.
      return new TextDecoder().decode(Uint8Array.from(whole.subarray(address, whole.indexOf(0, address))))
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

interface Reserved {
  readonly memory: WebAssembly.Memory
  readonly pages: number
}

function newMemory(initial: number, sizes: readonly number[], shared: boolean): Reserved {
  let cause: unknown
  for (const maximum of sizes) {
    if (initial > maximum)
      throw new TrituneError(
        'E_MEMORY',
        `the library itself needs a heap of ${initial * PAGE} bytes, ${maximum * PAGE} are allowed`,
        { remedy: 'allow more with the option heap' },
      )
    try {
      return { memory: new WebAssembly.Memory({ initial, maximum, shared }), pages: maximum }
    } catch (error) {
      cause = error
    }
  }
  const least = (sizes.at(-1) ?? 0) * PAGE
  throw new TrituneError(
    'E_MEMORY',
    `this engine reserves no WebAssembly memory of ${least} bytes: ${cause instanceof Error ? cause.message : String(cause)}`,
    { remedy: 'ask for a smaller one with the option heap', cause },
  )
}
