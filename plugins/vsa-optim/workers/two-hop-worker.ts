/**
 * Two hops in place of every message to every worker: each worker owns some of the tensors, takes their mean and sends that compressed again, with
 * an error memory of its own. A worker receives two messages' worth whatever the number of workers; sent to all, W − 1.
 */
import { jsonField, type Stateful, type Tensor, TrituneError } from '../../../core/mod.ts'
import { type LaidTensor, updateLayout, type UpdateLayout } from '../wire/update-layout.ts'
import { codecsOf, type SendKind } from './send-kind.ts'
import { updateWorker, type UpdateWorker, type UpdateWorkerOptions } from './update-worker.ts'

/** One worker of a two-hop exchange. */
export interface TwoHopWorker extends Stateful, Disposable {
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
  const senders = parts.map((part) => updateWorker({ ...options, layout: part.layout }))
  const owner = updateWorker({ ...options, layout: parts[worker].layout, worker: 0, workers: 1 })
  const codecs = parts.map((part) => codecsOf(part.layout, options))
  const all: readonly (readonly [string, UpdateWorker])[] = [
    ...senders.map((sender, i): [string, UpdateWorker] => [`part ${i}`, sender]),
    ['owner', owner],
  ]
  return {
    scatter: (update, kind) => senders.map((sender, i) => sender.send(gathered(update, parts[i]), kind)),
    average: (messages, kind) => owner.send(senders[worker].receive(messages, kind), kind),
    receive(averages, kind = 'compressed') {
      const mean = new Float32Array(layout.length)
      for (const [i, { tensors, layout: own }] of parts.entries()) {
        if (averages[i] === undefined)
          throw new TrituneError('E_VALUE', `the average of worker ${i} is missing`)
        const { update: part } = codecs[i](kind).decode(averages[i], owner.round - 1)
        for (const [n, { start, size }] of tensors.entries())
          mean.set(part.subarray(own.tensors[n].start, own.tensors[n].start + size), start)
      }
      return mean
    },
    tensors() {
      const named = new Map<string, Tensor>()
      for (const [name, one] of all)
        for (const [part, tensor] of one.tensors?.() ?? []) named.set(`${name}.${part}`, tensor)
      return named
    },
    saveState: () => Object.fromEntries(all.map(([name, one]) => [name, one.saveState?.() ?? null])),
    loadState(saved) {
      for (const [name, one] of all) one.loadState?.(jsonField(saved, name))
    },
    [Symbol.dispose]() {
      for (const one of [...senders, owner]) one[Symbol.dispose]()
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

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

function gathered(
  update: Float32Array,
  { tensors, layout }: { readonly tensors: readonly LaidTensor[]; readonly layout: UpdateLayout },
): Float32Array {
  const part = new Float32Array(layout.length)
  for (const [n, { start, size }] of tensors.entries())
    part.set(update.subarray(start, start + size), layout.tensors[n].start)
  return part
}
