/**
 * `memory:` of a run: `fast` keeps what norms and gates give, `lean` makes it again in the backward pass, and runs some blocks again. The same bits either way.
 *
 * `auto` takes `lean` when the estimate of `fast` would fill more than FILL of the memory that is free.
 */
import type { Device } from '../../../core/mod.ts'
import { availableMemory } from '../../../core/native/available-memory.ts'
import { formatBytes } from '../reports/format.ts'

export interface MemoryMode {
  readonly isLean: boolean
  /** For the summary: what decided. */
  readonly reason: string
}

/** An estimate is an estimate, and the machine has other things to do. */
const FILL = 0.7

/** `needed`: bytes that the run takes when it keeps everything; `sharers`: processes that share the memory of this machine. */
export function memoryMode(
  asked: 'auto' | 'lean' | 'fast',
  device: Pick<Device, 'capacity'>,
  needed: number,
  sharers = 1,
): MemoryMode {
  if (asked !== 'auto') return { isLean: asked === 'lean', reason: 'as the file says' }
  // All of a device that has a limit of its own (what is there already is the run's), else what the machine has left.
  const free = device.capacity ?? availableMemory() / sharers
  const isLean = needed > FILL * free
  const each = device.capacity === undefined && sharers > 1 ? ' for each process' : ''
  const reason = `keeping everything takes about ${formatBytes(needed)}, ${formatBytes(free)} are free${each}`
  return { isLean, reason }
}
