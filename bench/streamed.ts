/**
 * How much memory an op must go round so that none of it is in a cache from the time before.
 */
import { readFileSync } from 'node:fs'

/** Bytes of the last cache that core 0 has, as Linux says; 32 MiB where nothing says it. */
export function lastLevelCacheBytes(): number {
  for (const index of [3, 2]) {
    try {
      const size = readFileSync(`/sys/devices/system/cpu/cpu0/cache/index${index}/size`, 'utf8')
      const kibibytes = Number(/^(\d+)K/.exec(size)?.[1])
      if (kibibytes > 0) return kibibytes * 1024
    } catch {
      // No such cache, or not Linux.
    }
  }
  return 32 * 2 ** 20
}

/** 8 times the last cache. Of twice as much some stays in it, more or less by chance. */
export function streamedBytes(): number {
  return Math.max(256e6, 8 * lastLevelCacheBytes())
}

/** Calls one after the other, and the first again after the last. */
export function goesRound(bodies: readonly (() => void)[]): () => void {
  let next = 0
  return () => {
    bodies[next]()
    next = (next + 1) % bodies.length
  }
}
