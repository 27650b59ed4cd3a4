/**
 * Two hops in place of every message to every worker: each worker owns some of the tensors, takes their mean and sends that compressed again, with
 * an error memory of its own. A worker receives two messages' worth whatever the number of workers; sent to all, W − 1.
 */
import { jsonField, type Stateful, TrituneError } from '../../../core/mod.ts'
import { type LaidTensor, updateLayout, type UpdateLayout } from '../wire/update-layout.ts'
import { keptNumbers } from './kept-numbers.ts'
import { savedNumber } from './saved-number.ts'
import { codecsOf, type SendKind } from './send-kind.ts'
import type { UpdateStats } from './update-stats.ts'
import { updateWorker, type UpdateWorkerOptions } from './update-worker.ts'

/** One worker of a two-hop exchange. */
export interface TwoHopWorker extends Stateful, Disposable {
  /** Messages hold all of an update. */
  readonly isExact: boolean
  /** Of the next message. */
  readonly round: number
  /** Of its own update; bytes are of rows, of which a first message is one and the second one counts once. */
  readonly stats: UpdateStats
  /** Bytes of the longest message of either hop, for every worker: shorter ones may have anything behind them. */
  rowBytes(kind?: SendKind): number
  /** First hop: the message for each worker, of the tensors that it owns. */
  scatter(update: Float32Array, kind?: SendKind): Uint8Array<ArrayBuffer>[]
  /** Second hop: the mean of what all workers sent of this worker's tensors, for all. */
  average(messages: readonly Uint8Array[], kind?: SendKind): Uint8Array<ArrayBuffer>
  /** The mean of everything, from the second messages of all workers, in their order. */
  receive(averages: readonly Uint8Array[], kind?: SendKind): Float32Array<ArrayBuffer>
}

/**
 * A worker with empty memories. Throws E_VALUE where there are fewer tensors than workers.
 *
 * @example
 * ```ts
 * import { twoHopWorker, updateLayout } from 'tritune/plugins/vsa-optim'
 *
 * const layout = updateLayout(new Map([['a', { shape: [8] }], ['b', { shape: [8] }]]))
 * using one = twoHopWorker({ layout, worker: 0, workers: 2, codec: 'int8' })
 * using other = twoHopWorker({ layout, worker: 1, workers: 2, codec: 'int8' })
 * const [fromOne, fromOther] = [one.scatter(new Float32Array(16).fill(1)), other.scatter(new Float32Array(16))]
 * const averages = [one.average([fromOne[0], fromOther[0]]), other.average([fromOne[1], fromOther[1]])]
 * console.log(one.receive(averages)[3].toFixed(2), other.receive(averages)[12].toFixed(2)) // → 0.50 0.50
 * ```
 */
export function twoHopWorker(options: UpdateWorkerOptions): TwoHopWorker {
  const { layout, worker, workers } = options
  if (layout.tensors.length < workers)
    throw new TrituneError('E_VALUE', `${workers} workers cannot own ${layout.tensors.length} tensors`, {
      remedy: 'send every message to every worker',
    })
  const parts = ownedParts(layout, workers).map((tensors) => ({ tensors, layout: layoutOf(tensors) }))
  // One array for all that a worker has not sent, part after part, and one for what it has not passed on as an owner: of one length on all workers.
  const error = keptNumbers(layout.length)
  const kept = keptNumbers(layout.length)
  const starts = parts.map((_, i) => parts.slice(0, i).reduce((sum, part) => sum + part.layout.length, 0))
  const memories = parts.map((part, i) => error.numbers.subarray(starts[i], starts[i] + part.layout.length))
  const senders = parts.map((part, i) =>
    updateWorker({ ...options, layout: part.layout, memory: memories[i] }),
  )
  const memory = kept.numbers.subarray(0, parts[worker].layout.length)
  const owner = updateWorker({ ...options, layout: parts[worker].layout, worker: 0, workers: 1, memory })
  const codecs = parts.map((part) => codecsOf(part.layout, options))
  const rowBytes = (kind: SendKind = 'compressed'): number =>
    Math.max(...codecs.map((codec) => codec(kind).bytes))
  const [first] = senders
  const counts = { sentBytes: 0, receivedBytes: 0, growing: 0 }
  let told: Told = { kept: null, backlog: null }
  return {
    isExact: first.isExact,
    get round() {
      return owner.round
    },
    get stats() {
      const rounds = owner.round
      return { rounds, ...told, ...counts, denseBytes: 4 * layout.length * rounds }
    },
    rowBytes,
    scatter(update, kind) {
      const own = parts.map((part) => gathered(update, part))
      const wanted = norm(own.map((part, i) => part.map((value, n) => value + memories[i][n])))
      const messages = senders.map((sender, i) => sender.send(own[i], kind))
      const left = norm([error.numbers])
      const backlog = left / norm(own)
      counts.growing = backlog > (told.backlog ?? Infinity) ? counts.growing + 1 : 0
      told = { kept: wanted === 0 ? 1 : 1 - (left / wanted) ** 2, backlog }
      counts.sentBytes += (workers - 1) * rowBytes(kind)
      return messages
    },
    average(messages, kind) {
      const bytes = senders[worker].messageBytes(kind)
      const mean = senders[worker].receive(
        messages.map((message) => message.subarray(0, bytes)),
        kind,
      )
      counts.sentBytes += rowBytes(kind)
      counts.receivedBytes += (workers - 1) * rowBytes(kind)
      return owner.send(mean, kind)
    },
    receive(averages, kind = 'compressed') {
      const mean = new Float32Array(layout.length)
      for (const [i, { tensors, layout: own }] of parts.entries()) {
        if (averages[i] === undefined)
          throw new TrituneError('E_VALUE', `the average of worker ${i} is missing`)
        const codec = codecs[i](kind)
        const { update: part } = codec.decode(averages[i].subarray(0, codec.bytes), owner.round - 1)
        for (const [n, { start, size }] of tensors.entries())
          mean.set(part.subarray(own.tensors[n].start, own.tensors[n].start + size), start)
      }
      counts.receivedBytes += (workers - 1) * rowBytes(kind)
      return mean
    },
    tensors: () =>
      new Map([
        ['error', error.tensor],
        ['owner', kept.tensor],
      ]),
    // All senders have made the same rounds; their own counts are not asked for.
    saveState: () => ({
      sender: first.saveState?.() ?? null,
      owner: owner.saveState?.() ?? null,
      ...counts,
      backlog: Number.isFinite(told.backlog) ? told.backlog : null,
    }),
    loadState(saved) {
      const sender = jsonField(saved, 'sender')
      for (const one of senders) one.loadState?.(sender)
      owner.loadState?.(jsonField(saved, 'owner'))
      // Others owned other tensors, in other places.
      if (jsonField(sender, 'workers') !== workers || jsonField(sender, 'worker') !== worker) {
        error.numbers.fill(0)
        kept.numbers.fill(0)
      }
      for (const name of ['sentBytes', 'receivedBytes', 'growing'] as const)
        counts[name] = savedNumber(saved, name)
      told = {
        kept: null,
        backlog: jsonField(saved, 'backlog') === null ? null : savedNumber(saved, 'backlog'),
      }
    },
    [Symbol.dispose]() {
      for (const one of [...senders, owner]) one[Symbol.dispose]()
      error.tensor.dispose()
      kept.tensor.dispose()
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

type Told = Pick<UpdateStats, 'kept' | 'backlog'>

function norm(parts: readonly Float32Array[]): number {
  return Math.sqrt(parts.reduce((all, part) => part.reduce((sum, value) => sum + value ** 2, all), 0))
}

/** The largest tensor first, each to whoever has the least so far: about as many numbers for all, and the same everywhere. */
function ownedParts({ tensors }: UpdateLayout, workers: number): LaidTensor[][] {
  const parts = Array.from({ length: workers }, () => ({ size: 0, tensors: Array<LaidTensor>() }))
  for (const tensor of tensors.toSorted((a, b) => b.size - a.size || a.start - b.start)) {
    const least = parts.reduce((best, part) => (part.size < best.size ? part : best))
    least.tensors.push(tensor)
    least.size += tensor.size
  }
  return parts.map((part) => part.tensors.toSorted((a, b) => a.start - b.start))
}

function layoutOf(tensors: readonly LaidTensor[]): UpdateLayout {
  return updateLayout(new Map(tensors.map(({ name, shape }) => [name, { shape }])))
}

/** Throws E_SHAPE where `update` is not of the whole layout. */
function gathered(
  update: Float32Array,
  { tensors, layout }: { readonly tensors: readonly LaidTensor[]; readonly layout: UpdateLayout },
): Float32Array {
  const part = new Float32Array(layout.length)
  for (const [n, { start, size }] of tensors.entries())
    part.set(update.subarray(start, start + size), layout.tensors[n].start)
  return part
}
