/**
 * Local steps as a strategy of a run: the step is made as it is, by this worker alone, and after some of them the workers meet.
 *
 * Between rounds each worker has weights and moments of its own; what all have is `shared`, as of the last round.
 */
import { jsonField, type Strategy, type StrategyRun, TrituneError } from '../../../core/mod.ts'
import type { CodecOptions } from '../codecs/create-compressor.ts'
import { crc32c } from '../wire/crc32c.ts'
import { readInto, updateLayout, writeFrom } from '../wire/update-layout.ts'
import { keptNumbers } from './kept-numbers.ts'
import { localRounds, sentAfter } from './local-rounds.ts'
import { updateMetrics } from './update-stats.ts'
import { updateWorker, type UpdateWorker } from './update-worker.ts'

/** What brings the messages of all workers to all. Every worker makes the same calls. */
export interface Exchange {
  readonly rank: number
  readonly size: number
  /** What each gives, all of one length, one after the other in the order of the ranks. */
  collect(own: Uint8Array, all: Uint8Array): void
}

/** When workers meet, and what they send. */
export interface LocalStepsOptions extends CodecOptions {
  /** Steps of a round; default 5. */
  readonly every?: number
  /** Of the mean, how much is taken; default 1. */
  readonly rate?: number
  /** Nesterov's, over the rounds; default 0. DiLoCo has a rate of 0.7 and a momentum of 0.9. */
  readonly momentum?: number
  /** A checkpoint of another number of workers is taken, and what those had not sent is lost. */
  readonly allowOtherWorkers?: boolean
}

/**
 * The strategy of one worker. All workers begin with the same weights. Every 50 rounds and at the end it is checked that they have the same: E_PEER.
 * Throws E_DTYPE for weights that are not f32: AdamW keeps others in a copy of its own.
 *
 * @example
 * ```ts
 * import { loadModel } from 'tritune/plugins/models'
 * import { attachLora } from 'tritune/plugins/peft'
 * import { localSteps } from 'tritune/plugins/vsa-optim'
 *
 * using model = loadModel('my-model')
 * using adapter = attachLora(model, { targetModules: 'all-linear' })
 * const run = { model, parameters: adapter.parameters, totalSteps: 100, seed: 1 }
 * const alone = { rank: 0, size: 1, collect: (own: Uint8Array, all: Uint8Array) => all.set(own) }
 * using strategy = localSteps({ every: 5, codec: 'ternary' }, run, alone)
 * console.log([...strategy.tensors().keys()].join(' ')) // → error shared
 * ```
 */
export function localSteps(
  { every = 5, rate = 1, momentum = 0, allowOtherWorkers = false, ...codec }: LocalStepsOptions,
  { parameters, seed }: Pick<StrategyRun, 'parameters' | 'seed'>,
  { rank, size, collect }: Exchange,
): Strategy & Disposable & Required<Pick<Strategy, 'tensors' | 'saveState' | 'loadState' | 'scratchBytes'>> {
  for (const [name, { dtype }] of parameters)
    if (dtype !== 'f32')
      throw new TrituneError('E_DTYPE', `local steps are for f32 weights, ${name} is ${dtype}`, {
        remedy: 'train an adapter, whose weights are f32, or load the model in f32',
      })
  const layout = updateLayout(parameters)
  const worker = updateWorker({ ...codec, layout, worker: rank, workers: size, seed, allowOtherWorkers })
  const weights = new Float32Array(layout.length)
  readInto(weights, layout, parameters)
  const shared = keptNumbers(layout.length)
  const velocity = momentum > 0 ? keptNumbers(layout.length) : null
  const rounds = localRounds(worker, weights, {
    rate,
    momentum,
    memory: shared.numbers,
    ...(velocity && { velocity: velocity.numbers }),
  })
  return {
    scratchBytes: weights.byteLength + roundBytes(worker, weights.byteLength, size),
    step({ step, totalSteps }, next) {
      const result = next()
      const kind = sentAfter(step + 1, { every, totalSteps })
      if (kind === null) return result
      readInto(weights, layout, parameters)
      const own = rounds.send(weights, kind)
      const all = new Uint8Array(size * own.length)
      collect(own, all)
      const messages = Array.from({ length: size }, (_, i) =>
        all.subarray(i * own.length, (i + 1) * own.length),
      )
      writeFrom(rounds.receive(messages, kind), layout, parameters)
      if (kind === 'last' || worker.round % COMPARED_ROUNDS === 0)
        expectSame(shared.numbers, { rank, size, collect }, step + 1)
      return { ...result, metrics: { ...result.metrics, ...updateMetrics(worker.stats) } }
    },
    tensors: () =>
      new Map([
        ...(worker.tensors?.() ?? []),
        ['shared', shared.tensor],
        ...(velocity ? [['velocity', velocity.tensor] as const] : []),
      ]),
    saveState: () => ({ every, worker: worker.saveState?.() ?? null }),
    loadState(saved) {
      const was = jsonField(saved, 'every')
      if (was !== every)
        throw new TrituneError(
          'E_RESUME',
          `the checkpoint has rounds of ${String(was)} steps, this run of ${every}`,
        )
      worker.loadState?.(jsonField(saved, 'worker'))
    },
    [Symbol.dispose]() {
      worker[Symbol.dispose]()
      shared.tensor.dispose()
      velocity?.tensor.dispose()
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const COMPARED_ROUNDS = 50

/**
 * A round: the way, the way with what was not yet sent, the message, and what it says of it; then the messages of all workers, what each of them says, and
 * their mean. All of it counts, as what a round leaves is collected later.
 */
function roundBytes({ messageBytes }: UpdateWorker, bytes: number, workers: number): number {
  const message = Math.max(messageBytes('compressed'), messageBytes('dense'))
  return 3 * bytes + message + workers * (message + bytes) + bytes
}

/** All take the same mean of the same bytes, so it is a fault of memory, or of what brings the messages. */
function expectSame(shared: Float32Array, { size, collect }: Exchange, step: number): void {
  const { buffer, byteOffset, byteLength } = shared
  const own = new Uint8Array(4)
  new DataView(own.buffer).setUint32(0, crc32c(new Uint8Array(buffer, byteOffset, byteLength)))
  const all = new Uint8Array(4 * size)
  collect(own, all)
  const odd = all.findIndex((byte, i) => byte !== all[i % 4])
  if (odd >= 0)
    throw new TrituneError(
      'E_PEER',
      `worker ${Math.floor(odd / 4)} has other weights than worker 0 after step ${step}`,
      {
        remedy: 'resume from the last checkpoint',
      },
    )
}
