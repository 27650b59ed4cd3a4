/**
 * Makes the runs of `bench compression`, one after the other, each once; with `--cache` those that an earlier benchmark finished are not made again.
 */
import { fileURLToPath } from 'node:url'
import * as v from 'valibot'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import type { BenchContext, Row } from '../_topic.ts'
import { createRunCache, maybeInfinite, type RunSettings } from '../runs/run-cache.ts'
import { versionOf, versionOfModel } from '../runs/source-version.ts'
import { type Outcome, simulate, type SimulatedRun } from './simulate.ts'
import { createTask, type Rows, type Sharding } from './task.ts'

/** A run that is asked for. */
export interface AskedRun extends Pick<
  SimulatedRun,
  'method' | 'workers' | 'steps' | 'learningRate' | 'seed'
> {
  readonly sharding: Sharding
}

export interface Runner {
  run(asked: AskedRun): Outcome
  /** Every run that was asked for, the bad ones too. */
  rows(): Row[]
}

const SIMULATE = fileURLToPath(new URL('./simulate.ts', import.meta.url))
const TASK = fileURLToPath(new URL('./task.ts', import.meta.url))

export function openRunner(
  context: Pick<BenchContext, 'threads' | 'cache' | 'progress'>,
  base: string,
  rows: Rows,
): Runner {
  const { threads, progress } = context
  const version = versionOf([SIMULATE, TASK])
  const cache = createRunCache(context.cache, { outcome: OUTCOME })
  const model = context.cache === null ? '' : versionOfModel(base)
  const made = new Map<string, Outcome>()
  return {
    run(asked) {
      const { name: _, goal: __, ...way } = asked.method
      const { sharding, workers, steps, learningRate, seed } = asked
      const settings: RunSettings = {
        model,
        threads,
        sharding,
        workers,
        steps,
        learningRate,
        seed,
        method: JSON.stringify(Object.entries(way).toSorted()),
      }
      const name = nameOf(asked)
      const known = made.get(name)
      if (known !== undefined) return known
      const started = performance.now()
      const { outcome, isNew } = cache.run(settings, version, () => {
        const device = openCpu({ threads })
        return simulate({ ...asked, base, threads, device, task: createTask(rows, sharding, seed) })
      })
      const seconds = ((performance.now() - started) / 1000).toFixed(0)
      progress(`${name}: ${toldOf(outcome)} (${isNew ? `${seconds} s` : 'kept'})`)
      made.set(name, outcome)
      return outcome
    },
    rows: () =>
      [...made].map(([name, outcome]) => ({
        name: `run of ${name}`,
        ours: outcome.reported,
        peer: null,
        unit: 'nats',
        ratio: null,
        floor: null,
        goal: null,
        better: 'lower',
        note: toldOf(outcome),
      })),
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const OUTCOME: v.GenericSchema<unknown, Outcome> = v.object({
  chosenBy: maybeInfinite,
  reported: maybeInfinite,
  sentBytes: v.number(),
  receivedBytes: v.number(),
  denseBytes: v.number(),
  stepSeconds: v.number(),
  codecSeconds: v.number(),
  kept: maybeInfinite,
  backlog: maybeInfinite,
})

/** Training that sends everything is the same for every number of workers. */
function nameOf({ workers, sharding, method, steps, learningRate, seed }: AskedRun): string {
  const who = method.codec === 'dense' && method.sends === 'gradient' ? '' : `${workers} workers, `
  return `${who}${sharding}, ${method.name}, ${steps} steps, rate ${learningRate}, seed ${seed}`
}

function toldOf({ chosenBy, reported, stepSeconds, codecSeconds, kept, backlog }: Outcome): string {
  return `chosen by ${chosenBy.toFixed(4)}, reported ${reported.toFixed(4)}; ${(1000 * stepSeconds).toFixed(0)} ms a step, ${codecSeconds.toFixed(1)} s coding, δ ${kept.toFixed(3)}, backlog ${backlog.toFixed(2)}`
}
