/**
 * The books of a memory pool with size classes, as the native libraries keep one (native/cpu/runtime/memory.cpp): sizes are rounded up to classes 12.5 %
 * apart, a free block up to two classes larger is taken, and what is freed is kept for reuse up to a limit. Only numbers; there is no memory.
 */
import type { MemoryReport } from '../../../core/mod.ts'

export interface SizeClassPool {
  /** The bytes of the block that is given; hand them back to `give()`. */
  take(bytes: number): number
  give(block: number): void
  report(): MemoryReport
  resetPeak(): void
  /** The most that was in use and kept together. */
  resident(): number
}

/** The pool may hold this much beyond half of the peak. */
const KEEP_ALWAYS = 64 * 2 ** 20
const STEPS = 8
/** A block of this many classes more will do. */
const NEAR = 2

export function sizeClassPool(): SizeClassPool {
  const kept = new Map<number, number>()
  let [live, pooled, peak, growth, resident] = [0, 0, 0, 0, 0]

  const release = (keep: number): void => {
    for (const block of [...kept.keys()].toSorted((a, b) => b - a)) {
      while (pooled > keep && (kept.get(block) ?? 0) > 0) {
        kept.set(block, (kept.get(block) ?? 0) - 1)
        pooled -= block
      }
    }
  }
  const reuse = (block: number): number | null => {
    for (let size = block, more = 0; more <= NEAR; more++, size = classBytes(size + 1)) {
      const count = kept.get(size) ?? 0
      if (count === 0) continue
      kept.set(size, count - 1)
      pooled -= size
      return size
    }
    return null
  }
  return {
    take(bytes) {
      const wanted = classBytes(bytes)
      let block = reuse(wanted)
      if (block === null) {
        const limit = peak + peak / 2 + KEEP_ALWAYS
        if (live + pooled + wanted > limit) release(Math.max(0, limit - live - wanted))
        growth++
        block = wanted
      }
      live += block
      peak = Math.max(peak, live)
      resident = Math.max(resident, live + pooled)
      return block
    },
    give(block) {
      live -= block
      pooled += block
      kept.set(block, (kept.get(block) ?? 0) + 1)
    },
    report: () => ({ live, pooled, peak, growth }),
    resetPeak() {
      peak = live
      resident = live + pooled
    },
    resident: () => resident,
  }
}

/** Up to 512 bytes steps of 64, then eight classes to each doubling. */
function classBytes(bytes: number): number {
  if (bytes <= 512) return 64 * Math.max(1, Math.ceil(bytes / 64))
  const step = 2 ** Math.floor(Math.log2(bytes - 1)) / STEPS
  return Math.ceil(bytes / step) * step
}
