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
import { sentAfter } from './local-rounds.ts'
import { outerStep } from './outer-step.ts'
import { updateMetrics } from './update-stats.ts'
import { type Exchange, exchangeOf, type ExchangeWay, workerMean } from './worker-mean.ts'

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
  /** How messages go; default `auto`: two hops above four workers, where each can own a tensor. */
  readonly exchange?: ExchangeWay
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
 * const copy = (own: Uint8Array, all: Uint8Array): void => all.set(own)
 * const alone = { rank: 0, size: 1, collect: copy, exchange: copy }
 * using strategy = localSteps({ every: 5, codec: 'ternary' }, run, alone)
 * console.log([...strategy.tensors().keys()].join(' ')) // → error shared
 * ```
 */
export function localSteps(
  {
    every = 5,
    rate = 1,
    momentum = 0,
    allowOtherWorkers = false,
    exchange = 'auto',
    ...codec
  }: LocalStepsOptions,
  { parameters, seed }: Pick<StrategyRun, 'parameters' | 'seed'>,
  others: Exchange,
): Strategy & Disposable & Required<Pick<Strategy, 'tensors' | 'saveState' | 'loadState' | 'scratchBytes'>> {
  for (const [name, { dtype }] of parameters)
    if (dtype !== 'f32')
      throw new TrituneError('E_DTYPE', `local steps are for f32 weights, ${name} is ${dtype}`, {
        remedy: 'train an adapter, whose weights are f32, or load the model in f32',
      })
  const layout = updateLayout(parameters)
  const { rank, size } = others
  const way = exchangeOf(exchange, { layout, workers: size })
  const options = { ...codec, layout, worker: rank, workers: size, seed, allowOtherWorkers }
  const worker = workerMean(way, options, others)
  const weights = new Float32Array(layout.length)
  readInto(weights, layout, parameters)
  const shared = keptNumbers(layout.length)
  const velocity = momentum > 0 ? keptNumbers(layout.length) : null
  const outer = outerStep(worker.isExact, weights, {
    rate,
    momentum,
    memory: shared.numbers,
    ...(velocity && { velocity: velocity.numbers }),
  })
  return {
    // The way of a round, beside the weights and what the workers need for a mean.
    scratchBytes: 2 * weights.byteLength + worker.scratchBytes,
    step({ step, totalSteps }, next) {
      const result = next()
      const kind = sentAfter(step + 1, { every, totalSteps })
      if (kind === null) return result
      readInto(weights, layout, parameters)
      writeFrom(outer.take(worker.mean(outer.way(weights), kind)), layout, parameters)
      if (kind === 'last' || worker.round % COMPARED_ROUNDS === 0)
        expectSame(shared.numbers, others, step + 1)
      return { ...result, metrics: { ...result.metrics, ...updateMetrics(worker.stats) } }
    },
    tensors: () =>
      new Map([
        ...(worker.tensors?.() ?? []),
        ['shared', shared.tensor],
        ...(velocity ? [['velocity', velocity.tensor] as const] : []),
      ]),
    saveState: () => ({ every, exchange: way, worker: worker.saveState?.() ?? null }),
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

/** All take the same mean of the same bytes, so it is a fault of memory, or of what brings the messages. */
function expectSame(
  shared: Float32Array,
  { size, collect }: Pick<Exchange, 'size' | 'collect'>,
  step: number,
): void {
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
