/**
 * The books of a memory pool with size classes, as the native libraries keep one (native/cpu/runtime/memory.cpp): sizes are rounded up to classes 12.5 %
 * apart, a free block up to two classes larger is taken, and what is freed is kept for reuse up to a limit. Only numbers; there is no memory.
 *
 * What a process holds is less than the blocks are: the end of a large one that nobody ever writes to has no pages.
 */
import type { MemoryReport } from '../../../core/mod.ts'

/** A piece of the pool. */
export interface PoolBlock {
  /** Its class. */
  readonly bytes: number
  /** What was ever used of it. */
  touched: number
}

export interface SizeClassPool {
  /** The block that is given; hand it back to `give()`. */
  take(bytes: number): PoolBlock
  give(block: PoolBlock): void
  report(): MemoryReport
  resetPeak(): void
  /** The most that was in use and kept together, as far as it was ever used. */
  resident(): number
}

/** The pool may hold this much beyond half of the peak. */
const KEEP_ALWAYS = 64 * 2 ** 20
const STEPS = 8
/** A block of this many classes more will do. */
const NEAR = 2
/** Smaller ones lie side by side, and share pages. */
const MAPPED = 2 * 2 ** 20

export function sizeClassPool(): SizeClassPool {
  const kept = new Map<number, PoolBlock[]>()
  let [live, pooled, peak, growth, held, resident] = [0, 0, 0, 0, 0, 0]

  const release = (keep: number): void => {
    for (const bytes of [...kept.keys()].toSorted((a, b) => b - a)) {
      const blocks = kept.get(bytes) ?? []
      while (pooled > keep && blocks.length > 0) {
        held -= blocks.pop()?.touched ?? 0
        pooled -= bytes
      }
    }
  }
  const reuse = (wanted: number): PoolBlock | undefined => {
    for (let size = wanted, more = 0; more <= NEAR; more++, size = classBytes(size + 1)) {
      const block = kept.get(size)?.pop()
      if (block === undefined) continue
      pooled -= size
      return block
    }
    return undefined
  }
  return {
    take(bytes) {
      const wanted = classBytes(bytes)
      let block = reuse(wanted)
      if (block === undefined) {
        const limit = peak + peak / 2 + KEEP_ALWAYS
        if (live + pooled + wanted > limit) release(Math.max(0, limit - live - wanted))
        growth++
        block = { bytes: wanted, touched: 0 }
      }
      const touched = Math.max(block.touched, wanted < MAPPED ? block.bytes : bytes)
      held += touched - block.touched
      block.touched = touched
      live += block.bytes
      peak = Math.max(peak, live)
      resident = Math.max(resident, held)
      return block
    },
    give(block) {
      live -= block.bytes
      pooled += block.bytes
      const blocks = kept.get(block.bytes)
      if (blocks) blocks.push(block)
      else kept.set(block.bytes, [block])
    },
    report: () => ({ live, pooled, peak, growth }),
    resetPeak() {
      peak = live
      resident = held
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
