/**
 * `diloco`: this process as a worker that makes steps of its own; after some of them all meet in the mean (plugins/vsa-optim has how).
 *
 * Between two rounds nobody waits for anybody, so what needs all of them (saving, evaluating, requests) waits for the end of a round. A process that
 * fails in between tells it where the others come to at the end of theirs.
 */
import type { Parameters, StepResult, Strategy, Tensor, JsonValue, World } from '../../../core/mod.ts'
import { agree } from '../../../core/agree.ts'
import type { Batch } from '../../data/mod.ts'
import { type Exchange, localSteps, sentAfter } from '../../vsa-optim/mod.ts'
import { codecOf, type DilocoOptions } from '../config/diloco-options.ts'
import { isOwn } from './share-gradients.ts'

/** The part of a run that local steps are. */
export type LocalWorker = Strategy &
  Disposable &
  Required<Pick<Strategy, 'tensors' | 'saveState' | 'loadState' | 'scratchBytes'>>

/** The worker of this process. Without a world it is the only one, or, for an estimate, one of `processes` that makes no rounds. */
export function localWorker(
  options: DilocoOptions,
  { parameters, seed }: { readonly parameters: Parameters; readonly seed: number },
  world: World | null,
  processes = 1,
): LocalWorker {
  const { every, rate, momentum, exchange: way, allow_other_workers: allowOtherWorkers } = options
  const workers = world?.size ?? 1
  const exchange = world === null ? { ...ALONE, size: processes } : checkedExchange(world)
  const inner = localSteps(
    { ...codecOf(options), every, rate, momentum, allowOtherWorkers, exchange: way },
    { parameters, seed },
    exchange,
  )
  const isForsaken = (): boolean => world !== null && world.size < workers
  return {
    step(context, next) {
      if (world === null) return processes === 1 ? inner.step(context, next) : next()
      if (isForsaken()) return next()
      let own: StepResult | null = null
      try {
        return inner.step(context, () => (own = next()))
      } catch (error) {
        // The others were lost in this very round: what this process came to is what it goes on with.
        if (isForsaken() && own !== null) return own
        if (exchange.hasFailed(error)) throw error
        return agree(world, (): never => {
          throw error
        })
      }
    },
    scratchBytes: inner.scratchBytes,
    tensors: (): ReadonlyMap<string, Tensor> => inner.tensors(),
    saveState: (): JsonValue => inner.saveState(),
    loadState: (saved) => inner.loadState(saved),
    [Symbol.dispose]: () => inner[Symbol.dispose](),
  }
}

/** Whether all processes have the same weights after so many steps. */
export function isRoundEnd({ every }: DilocoOptions, steps: number, totalSteps: number): boolean {
  return sentAfter(steps, { every, totalSteps }) !== null
}

/** The micro-batches of a window that this process trains on by itself; where there are fewer than processes, some are taken twice. */
export function ownBatches(
  worker: Pick<World, 'rank' | 'size'> | null,
  window: readonly Batch[],
): readonly Batch[] {
  if (worker === null) return window
  const own = window.filter((_, index) => isOwn(worker, index))
  return own.length > 0 ? own : [window[worker.rank % window.length]]
}

// ---- helpers ----------------------------------------------------------------------------------------------------

interface CheckedExchange extends Exchange {
  /** Whether the error came from between the processes: then there is nobody to be told. */
  hasFailed(error: unknown): boolean
}

const ALONE: CheckedExchange = {
  rank: 0,
  size: 1,
  collect: (own, all) => all.set(own),
  exchange: (rows, received) => received.set(rows),
  hasFailed: () => false,
}

/** Before messages go round it is known that all came to where they do. */
function checkedExchange(world: World): CheckedExchange {
  let failure: unknown = null
  const checked = (call: () => void): void => {
    try {
      agree(world, () => null)
      call()
    } catch (error) {
      failure = error
      throw error
    }
  }
  return {
    rank: world.rank,
    size: world.size,
    collect: (own, all) => checked(() => world.collect(own, all)),
    exchange: (rows, received) => checked(() => world.exchange(rows, received)),
    hasFailed: (error) => error === failure,
  }
}
