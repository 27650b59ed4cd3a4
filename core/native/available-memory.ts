/**
 * Memory that a process could get without anybody swapping. `os.freemem()` counts caches as taken on Linux and macOS, where a
 * machine that has run for a while then seems to have next to nothing.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { freemem } from 'node:os'

/** Bytes. */
export function availableMemory(): number {
  const read = READERS[process.platform]
  return read?.() ?? freemem()
}

/** What `/proc/meminfo` of Linux says, or undefined. */
export function linuxAvailable(meminfo: string): number | undefined {
  const kilobytes = /^MemAvailable: +(\d+) kB$/m.exec(meminfo)?.[1]
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1024
}

/** What `vm_stat` of macOS says, or undefined: what is free, was read ahead, or has not been used for long. */
export function macosAvailable(vmStat: string): number | undefined {
  const page = Number(/page size of (\d+) bytes/.exec(vmStat)?.[1])
  const pages = ['free', 'speculative', 'inactive'].map((name) =>
    Number(new RegExp(`^Pages ${name}: +(\\d+)\\.`, 'm').exec(vmStat)?.[1]),
  )
  const bytes = page * pages.reduce((sum, count) => sum + count, 0)
  return Number.isNaN(bytes) ? undefined : bytes
}

const READERS: Readonly<Record<string, (() => number | undefined) | undefined>> = {
  linux() {
    try {
      return linuxAvailable(readFileSync('/proc/meminfo', 'utf8'))
    } catch {
      return undefined
    }
  },
  darwin: () => macosAvailable(spawnSync('/usr/bin/vm_stat', { encoding: 'utf8' }).stdout ?? ''),
}
