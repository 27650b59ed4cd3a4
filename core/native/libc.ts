/**
 * The few functions of the C library that `node:` has no name for: locks on open files, and what a signal does. Not a
 * library of tritune's; where it cannot be opened (Windows, Deno without --allow-ffi) there is none, and callers say
 * what they do then.
 */
import { type FfiTable, type NativeModule, openModule } from './ffi.ts'

export interface Libc {
  /** flock(2): 0, or -1 when the file is locked by another open of it, or the file system has no such locks. */
  flock(fd: number, operation: number): number
  /** sigaction(2) on raw structs; `null` leaves one out. */
  sigaction(signal: number, action: Uint8Array | null, old: Uint8Array | null): number
  /** alarm(2): seconds that the timer before had left. */
  alarm(seconds: number): number
}

/** LOCK_EX | LOCK_NB */
export const LOCK_EXCLUSIVE_NOW: number = 2 | 4

let opened: Libc | null | undefined

/** The C library of this process, opened once; null where there is none. */
export function libc(): Libc | null {
  opened ??= openLibc<Libc>(TABLE)?.functions ?? null
  return opened
}

/** Address of a function of the C library, for handing it to the C library. */
export function libcAddress(name: string): number | null {
  for (const path of PATHS[process.platform] ?? []) {
    try {
      const { dlopen, dlsym } = openModule<Dl>(path, DL).functions
      // By its own handle: the one that means "anywhere" is another number on each system, and no address.
      const address = dlsym(dlopen(text(path), RTLD_NOW), text(name))
      if (address !== 0) return address
    } catch {
      // The next name.
    }
  }
  return null
}

const PATHS: Readonly<Record<string, readonly string[] | undefined>> = {
  linux: ['libc.so.6', 'libc.so', `libc.musl-${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}.so.1`],
  darwin: ['/usr/lib/libSystem.B.dylib'],
}

const TABLE = {
  flock: { args: ['i32', 'i32'], returns: 'i32' },
  sigaction: { args: ['i32', 'buf', 'buf'], returns: 'i32' },
  alarm: { args: ['i32'], returns: 'i32' },
} as const

interface Dl {
  dlopen(path: Uint8Array, mode: number): number
  dlsym(handle: number, name: Uint8Array): number
}

const DL = {
  dlopen: { args: ['buf', 'i32'], returns: 'ptr' },
  dlsym: { args: ['ptr', 'buf'], returns: 'ptr' },
} as const

const RTLD_NOW = 2

function text(value: string): Uint8Array {
  return new TextEncoder().encode(`${value}\0`)
}

/** Other functions of the C library; null where there is none, or not all of them. */
export function openLibc<F>(table: FfiTable<F>): NativeModule<F> | null {
  for (const path of PATHS[process.platform] ?? []) {
    try {
      return openModule<F>(path, table)
    } catch {
      // The next name; null when there is none.
    }
  }
  return null
}
