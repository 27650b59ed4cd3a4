/**
 * Memory that a process could get without anybody swapping. `os.freemem()` counts caches as taken on Linux and macOS, where a
 * machine that has run for a while then seems to have next to nothing.
 */
import { readFileSync } from 'node:fs'
import { freemem, totalmem } from 'node:os'
import { openModule } from './ffi.ts'

/** Bytes. */
export function availableMemory(): number {
  return READERS[process.platform]?.() ?? freemem()
}

/** What `/proc/meminfo` of Linux says, or undefined. */
export function linuxAvailable(meminfo: string): number | undefined {
  const kilobytes = /^MemAvailable: +(\d+) kB$/m.exec(meminfo)?.[1]
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1024
}

/** Of `struct vm_statistics64` of macOS: pages that are free, and those that have not been used for long. */
export function macosAvailable(statistics: DataView, pageBytes: number): number {
  const [free, inactive] = [statistics.getUint32(0, true), statistics.getUint32(8, true)]
  return (free + inactive) * pageBytes
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const READERS: Readonly<Record<string, (() => number | undefined) | undefined>> = {
  linux: readMeminfo,
  darwin: askMach,
}

/** Undefined where /proc is not there, or may not be read. */
function readMeminfo(): number | undefined {
  try {
    return linuxAvailable(readFileSync('/proc/meminfo', 'utf8'))
  } catch {
    return undefined
  }
}

/** <mach/host_info.h> */
interface Mach {
  mach_host_self(): number
  host_statistics64(host: number, flavor: number, info: Uint8Array, count: Int32Array): number
  getpagesize(): number
}

const MACH = {
  mach_host_self: { args: [], returns: 'i32' },
  host_statistics64: { args: ['i32', 'i32', 'buf', 'buf'], returns: 'i32' },
  getpagesize: { args: [], returns: 'i32' },
} as const

const HOST_VM_INFO64 = 4
/** More than the structure has in any version. */
const INFO_BYTES = 256

/** Undefined where native code cannot be called, or what comes cannot be. */
function askMach(): number | undefined {
  try {
    const mach = openModule<Mach>('/usr/lib/libSystem.B.dylib', MACH).functions
    const info = new Uint8Array(INFO_BYTES)
    const count = Int32Array.of(INFO_BYTES / 4)
    if (mach.host_statistics64(mach.mach_host_self(), HOST_VM_INFO64, info, count) !== 0) return undefined
    const bytes = macosAvailable(new DataView(info.buffer), mach.getpagesize())
    return bytes > 0 && bytes <= totalmem() ? bytes : undefined
  } catch {
    return undefined
  }
}
