/**
 * UpdateWorker: one of several workers that share what they have learnt: sends its update with error feedback, and takes the mean of what all sent.
 *
 *   u = update + e     message = C(u)     e ← u − D(message)     mean = 1/W · Σ D(messages), in the order of the workers
 *
 * How messages travel is not here: they are bytes, of one length for all workers of a round. All workers decode the same bytes in the same order,
 * so all have the same mean to the bit.
 */
import { jsonField, type Stateful, TrituneError } from '../../../core/mod.ts'
import { expectInteger } from '../../../core/tensor/expect.ts'
import type { CodecOptions } from '../codecs/create-compressor.ts'
import type { OpenUpdate } from '../wire/update-codec.ts'
import type { UpdateLayout } from '../wire/update-layout.ts'
import { type Compresses, withErrorFeedback } from './error-feedback.ts'
import { keptNumbers } from './kept-numbers.ts'
import { savedNumber } from './saved-number.ts'
import { codecsOf, type SendKind } from './send-kind.ts'
import type { UpdateStats } from './update-stats.ts'

/** Which worker, of how many, and what they send. */
export interface UpdateWorkerOptions extends CodecOptions {
  readonly layout: UpdateLayout
  /** Its rank, from 0. */
  readonly worker: number
  readonly workers: number
  /** The same for all workers; default 0. */
  readonly seed?: number
  /** A checkpoint of another number of workers is taken, and what those had not sent is lost. */
  readonly allowOtherWorkers?: boolean
  /** Where what is not sent is kept, for whoever saves it; default: a tensor of its own. */
  readonly memory?: Float32Array
}

/** One worker. Its memory is part of a run's state. */
export interface UpdateWorker extends Stateful, Disposable {
  /** Messages hold all of an update. */
  readonly isExact: boolean
  /** Of the next message. */
  readonly round: number
  readonly stats: UpdateStats
  /** Bytes of a message of this kind, for every worker. */
  messageBytes(kind?: SendKind): number
  /** Throws E_NAN, E_SHAPE for an update that does not fit; then nothing has changed. */
  send(update: Float32Array, kind?: SendKind): Uint8Array<ArrayBuffer>
  /** The mean of what all workers sent in the last round, its own message included, in any order. Throws what `UpdateCodec` does, E_VALUE where one is missing or there twice. */
  receive(messages: readonly Uint8Array[], kind?: SendKind): Float32Array<ArrayBuffer>
}

/**
 * A worker with an empty memory.
 *
 * @example
 * ```ts
 * import { updateLayout, updateWorker } from 'tritune/plugins/vsa-optim'
 *
 * const layout = updateLayout(new Map([['w', { shape: [1000] }]]))
 * const workers = [0, 1].map((worker) => updateWorker({ layout, worker, workers: 2, codec: 'ternary' }))
 * const messages = workers.map((worker, i) => worker.send(new Float32Array(1000).fill(i + 1)))
 * const means = workers.map((worker) => worker.receive(messages))
 * console.log(means[0][0], means[1][999], workers[0].stats.sentBytes) // → 1.5 1.5 242
 * for (const worker of workers) worker[Symbol.dispose]()
 * ```
 */
export function updateWorker({
  layout,
  worker,
  workers,
  allowOtherWorkers = false,
  memory: given,
  ...options
}: UpdateWorkerOptions): UpdateWorker {
  expectInteger('updateWorker', 'workers', workers, { min: 1, max: 0xffff })
  expectInteger('updateWorker', 'worker', worker, { max: workers - 1 })
  const codecOf = codecsOf(layout, options)
  const by = (kind: SendKind): Compresses<Uint8Array<ArrayBuffer>> => ({
    compress: (update, round = 0) => codecOf(kind).encode(update, { round, worker, isLast: kind === 'last' }),
    decompress: (message) => codecOf(kind).decode(message, feedback.round).update,
    compressAndRead: (update, round, said) =>
      codecOf(kind).encode(update, { round, worker, isLast: kind === 'last' }, said),
  })
  const own = given === undefined ? keptNumbers(layout.length) : null
  const memory = own?.numbers ?? given ?? new Float32Array(layout.length)
  const feedback = withErrorFeedback(by('compressed'), layout.length, memory)
  const counts = { sentBytes: 0, receivedBytes: 0, growing: 0 }
  let lastBacklog: number | null = null
  return {
    isExact: options.codec === 'dense',
    get round() {
      return feedback.round
    },
    get stats() {
      const { round: rounds, kept, backlog } = feedback
      return { rounds, kept, backlog, ...counts, denseBytes: 4 * layout.length * rounds }
    },
    messageBytes: (kind = 'compressed') => codecOf(kind).bytes,
    send(update, kind = 'compressed') {
      const message = feedback.compress(update, by(kind))
      const { backlog } = feedback
      counts.sentBytes += message.length
      counts.growing = (backlog ?? 0) > (lastBacklog ?? Infinity) ? counts.growing + 1 : 0
      lastBacklog = Number.isFinite(backlog) ? backlog : null
      return message
    },
    receive(messages, kind = 'compressed') {
      const round = feedback.round - 1
      const opened = messages.map((message) => codecOf(kind).open(message, round))
      expectAll(opened, workers)
      const mean = meanOf(
        opened.toSorted((a, b) => a.worker - b.worker),
        layout,
      )
      counts.receivedBytes += messages.reduce((sum, { length }) => sum + length, -codecOf(kind).bytes)
      return mean
    },
    tensors: () => new Map(own ? [['error', own.tensor]] : []),
    saveState: () => ({
      round: feedback.round,
      worker,
      workers,
      codec: options.codec,
      ...counts,
      lastBacklog,
    }),
    loadState(saved) {
      for (const [name, is] of Object.entries({ worker, workers, codec: options.codec })) {
        const was = jsonField(saved, name)
        if (was === is) continue
        if (allowOtherWorkers && name !== 'codec') memory.fill(0)
        else
          throw new TrituneError(
            'E_RESUME',
            `the checkpoint is of ${name} ${String(was)}, this is ${name} ${is}`,
            {
              remedy: `what each worker had not yet sent is its own: resume with ${name} ${String(was)}${name === 'codec' ? '' : ', or set allowOtherWorkers and lose that'}`,
            },
          )
      }
      feedback.resume(savedNumber(saved, 'round'))
      for (const name of ['sentBytes', 'receivedBytes', 'growing'] as const)
        counts[name] = savedNumber(saved, name)
      lastBacklog = jsonField(saved, 'lastBacklog') === null ? null : savedNumber(saved, 'lastBacklog')
    },
    [Symbol.dispose]: () => own?.tensor.dispose(),
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Tensor by tensor, in f64 and in the order of the workers. */
function meanOf(
  updates: readonly OpenUpdate[],
  { tensors, length }: UpdateLayout,
): Float32Array<ArrayBuffer> {
  const mean = new Float32Array(length)
  const largest = tensors.reduce((most, { size }) => Math.max(most, size), 0)
  const sums = new Float64Array(largest)
  const rooms = [new Float32Array(largest), new Float32Array(largest)]
  for (const [id, { start, size }] of tensors.entries()) {
    const sum = sums.subarray(0, size).fill(0)
    const [one, other] = rooms.map((room) => room.subarray(0, size))
    for (let i = 0; i < updates.length; i += 2) {
      updates[i].read(id, one)
      if (i + 1 < updates.length) {
        updates[i + 1].read(id, other)
        addBoth(sum, one, other)
      } else addOne(sum, one)
    }
    divide(mean.subarray(start, start + size), sum, updates.length)
  }
  return mean
}

/** One after the other, as if each were added by itself. */
function addBoth(sum: Float64Array, one: Float32Array, other: Float32Array): void {
  for (let i = 0; i < sum.length; i++) sum[i] = sum[i] + one[i] + other[i]
}

function addOne(sum: Float64Array, one: Float32Array): void {
  for (let i = 0; i < sum.length; i++) sum[i] += one[i]
}

function divide(mean: Float32Array, sum: Float64Array, count: number): void {
  for (let i = 0; i < mean.length; i++) mean[i] = sum[i] / count
}

function expectAll(updates: readonly { readonly worker: number }[], workers: number): void {
  const seen = new Set<number>()
  for (const { worker } of updates) {
    if (worker >= workers || seen.has(worker))
      throw new TrituneError(
        'E_VALUE',
        seen.has(worker)
          ? `worker ${worker} sent two messages in a round`
          : `there is a message of worker ${worker}, and there are ${workers} workers`,
      )
    seen.add(worker)
  }
  for (let worker = 0; worker < workers; worker++)
    if (!seen.has(worker)) throw new TrituneError('E_VALUE', `the message of worker ${worker} is missing`)
}
