/**
 * A part of an open file as memory that can be written: what is changed there is in the file, and the system may take the pages away at any time
 * and bring them back. By mmap(2) of the C library, so not on Windows, and not where native code cannot be called.
 */
import { TrituneError } from '../errors.ts'
import type { Allocation } from '../contracts/device.ts'
import { openLibc } from './libc.ts'
import type { NativeModule } from './ffi.ts'

/** Memory that is a part of a file. */
export interface MappedPart extends Allocation {
  readonly bytes: number
  /** Takes no memory until it is used again; the bytes stay. */
  rest(): void
}

interface Mapping {
  mmap(address: number, bytes: number, protection: number, flags: number, fd: number, offset: number): number
  munmap(address: number, bytes: number): number
  madvise(address: number, bytes: number, advice: number): number
}

const TABLE = {
  mmap: { args: ['ptr', 'size', 'i32', 'i32', 'i32', 'size'], returns: 'ptr' },
  munmap: { args: ['ptr', 'size'], returns: 'i32' },
  madvise: { args: ['ptr', 'size', 'i32'], returns: 'i32' },
} as const

const READ_AND_WRITE = 3
const MAP_SHARED = 1
const MADV_DONTNEED = 4
/** Views of JavaScript are no larger. */
const LARGEST_VIEW = 2 ** 32 - 1

let opened: NativeModule<Mapping> | null | undefined

/** Whether files can be mapped here. */
export function canMapFiles(): boolean {
  return process.platform !== 'win32' && library() !== null
}

/** `offset` is a multiple of the page size, and the file has all the bytes. Throws E_MEMORY, E_UNSUPPORTED. */
export function mapPart(fd: number, offset: number, bytes: number): MappedPart {
  const c = library()
  if (!c) throw new TrituneError('E_UNSUPPORTED', 'files cannot be mapped for writing on this system')
  const { mmap, munmap, madvise } = c.functions
  const address = mmap(0, bytes, READ_AND_WRITE, MAP_SHARED, fd, offset)
  // MAP_FAILED is −1, whatever a runtime makes of it.
  if (!(address > 0 && address < 2 ** 56))
    throw new TrituneError('E_MEMORY', `the system does not map ${bytes} bytes of a file`)
  let host: ArrayBuffer | null | undefined
  return {
    address,
    bytes,
    get host() {
      if (host === undefined) host = bytes <= LARGEST_VIEW ? c.view(address, bytes) : null
      return host
    },
    rest: () => void madvise(address, bytes, MADV_DONTNEED),
    free: () => void munmap(address, bytes),
  }
}

function library(): NativeModule<Mapping> | null {
  if (opened === undefined) opened = openLibc<Mapping>(TABLE)
  return opened
}
