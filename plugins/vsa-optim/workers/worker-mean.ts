/**
 * The mean of what all workers tell, over whatever brings bytes from one to the other: every message to every worker, or two hops.
 */
import type { Stateful } from '../../../core/mod.ts'
import type { SendKind } from './send-kind.ts'
import { twoHopWorker } from './two-hop-worker.ts'
import type { UpdateStats } from './update-stats.ts'
import { updateWorker, type UpdateWorkerOptions } from './update-worker.ts'

/** What brings the messages of all workers to all. Every worker makes the same calls. */
export interface Exchange {
  readonly rank: number
  readonly size: number
  /** What each gives, all of one length, one after the other in the order of the ranks. */
  collect(own: Uint8Array, all: Uint8Array): void
  /** A row for each worker, all of one length; `received` has the row that each had for this one. */
  exchange(rows: Uint8Array, received: Uint8Array): void
}

/** How messages go: each to all; by way of the worker that owns a tensor; or what receives fewer bytes. */
export type ExchangeWay = 'gather' | 'two-hop' | 'auto'

/** Above so many workers `auto` takes two hops: W − 1 messages are received then, in place of two. */
const GATHERED_WORKERS = 4

/** What `auto` comes to. */
export function exchangeOf(
  way: ExchangeWay,
  { layout, workers }: Pick<UpdateWorkerOptions, 'layout' | 'workers'>,
): Exclude<ExchangeWay, 'auto'> {
  if (way !== 'auto') return way
  return workers > GATHERED_WORKERS && layout.tensors.length >= workers ? 'two-hop' : 'gather'
}

/** One worker, and the mean over all; with a memory that is part of a run's state. */
export interface WorkerMean extends Stateful, Disposable {
  /** Messages hold all of an update. */
  readonly isExact: boolean
  /** Of the next mean. */
  readonly round: number
  readonly stats: UpdateStats
  /** Of the arrays of one mean, all of which count: what a round leaves is collected later. */
  readonly scratchBytes: number
  /** The same bits on all workers. */
  mean(update: Float32Array, kind: SendKind): Float32Array
}

/** The worker that `options.worker` says, with all others behind `exchange`. Throws what `updateWorker()` and `twoHopWorker()` do. */
export function workerMean(
  way: Exclude<ExchangeWay, 'auto'>,
  options: UpdateWorkerOptions,
  exchange: Exchange,
): WorkerMean {
  return way === 'gather' ? gatheredMean(options, exchange) : twoHopMean(options, exchange)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function gatheredMean(options: UpdateWorkerOptions, exchange: Exchange): WorkerMean {
  const worker = updateWorker(options)
  const { layout, workers } = options
  const message = Math.max(worker.messageBytes('compressed'), worker.messageBytes('dense'))
  // The update with what was not yet sent, what the own message says of it, the mean; at most as much again, four times, while a tensor is read; and messages.
  const scratchBytes = 7 * 4 * layout.length + (1 + workers) * message
  return meanBy(worker, scratchBytes, (update, kind) =>
    worker.receive(collected(worker.send(update, kind), exchange), kind),
  )
}

function twoHopMean(options: UpdateWorkerOptions, exchange: Exchange): WorkerMean {
  const worker = twoHopWorker(options)
  const { layout, workers } = options
  const row = Math.max(worker.rowBytes('compressed'), worker.rowBytes('dense'))
  // The update in parts, with what was not yet sent and as messages say it; this worker's part from each worker is as much again; the averages, and the mean. Rows
  // are sent, received, passed on and collected.
  const scratchBytes = 6 * 4 * layout.length + (3 * workers + 1) * row
  return meanBy(worker, scratchBytes, (update, kind) => {
    const bytes = worker.rowBytes(kind)
    const rows = new Uint8Array(options.workers * bytes)
    for (const [i, message] of worker.scatter(update, kind).entries()) rows.set(message, i * bytes)
    const received = new Uint8Array(rows.length)
    exchange.exchange(rows, received)
    const average = new Uint8Array(bytes)
    average.set(worker.average(split(received, options.workers), kind))
    return worker.receive(collected(average, exchange), kind)
  })
}

function meanBy(
  worker: Omit<WorkerMean, 'mean' | 'scratchBytes'>,
  scratchBytes: number,
  mean: WorkerMean['mean'],
): WorkerMean {
  return {
    scratchBytes,
    isExact: worker.isExact,
    get round() {
      return worker.round
    },
    get stats() {
      return worker.stats
    },
    mean,
    tensors: () => worker.tensors?.() ?? new Map(),
    saveState: () => worker.saveState?.() ?? null,
    loadState: (saved) => worker.loadState?.(saved),
    [Symbol.dispose]: () => worker[Symbol.dispose](),
  }
}

function collected(own: Uint8Array, { size, collect }: Exchange): Uint8Array[] {
  const all = new Uint8Array(size * own.length)
  collect(own, all)
  return split(all, size)
}

function split(all: Uint8Array, parts: number): Uint8Array[] {
  const bytes = all.length / parts
  return Array.from({ length: parts }, (_, i) => all.subarray(i * bytes, (i + 1) * bytes))
}
