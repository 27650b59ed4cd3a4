/**
 * The rows of `bench predictive`: what a tuned AdamW needs for the loss that a way reached, over what that way took, in passes and in seconds of the processor.
 */
import { TrituneError } from '../../../core/errors.ts'
import { mean } from '../_measure.ts'
import type { Row } from '../_topic.ts'
import { bootstrap, type FrontierPoint, type Interval, needed } from './frontier.ts'
import type { Method } from './method.ts'
import { type Outcome, unitsOf } from './train-once.ts'
import type { Tuned } from './tuning.ts'

/** A budget of the tuned AdamW and what came of it. */
export interface TunedBudget extends Tuned {
  readonly steps: number
}

/** A way beside the frontier. */
export interface Compared {
  readonly name: string
  /** Passes that a tuned AdamW needs for the same loss over those that were made. */
  readonly speed: Interval
  /** The same of seconds of the processor. */
  readonly inSeconds: Interval
  readonly isOutside: boolean
  readonly loss: number
  readonly tuned: Tuned
}

/** Frozen: what AdamW reached with each seed, in passes and in seconds. */
export interface Frontier {
  readonly passes: readonly (readonly FrontierPoint[])[]
  readonly seconds: readonly (readonly FrontierPoint[])[]
}

/** Throws E_NAN where a budget has no rate that AdamW survives, E_USAGE for fewer than two budgets. */
export function frontierOf(budgets: readonly TunedBudget[]): Frontier {
  for (const { steps, outcomes } of budgets)
    for (const { failure } of outcomes)
      if (failure !== null)
        throw new TrituneError(
          'E_NAN',
          `adamw diverges at every learning rate that was tried for ${steps} steps: ${failure}`,
          { remedy: 'look at the model: its search begins at a rate that adapters of other models take' },
        )
  if (budgets.length < 2)
    throw new TrituneError(
      'E_USAGE',
      'the runs of a tuned AdamW are not there, which all others are beside',
      {
        remedy: 'leave out --finished',
      },
    )
  const points = (cost: (outcome: Outcome) => number): FrontierPoint[][] =>
    budgets[0].outcomes.map((_, seed) =>
      budgets.map(({ outcomes }) => ({ units: cost(outcomes[seed]), loss: outcomes[seed].reported })),
    )
  return { passes: points(unitsOf), seconds: points(({ cpuSeconds }) => cpuSeconds) }
}

/** In pairs: AdamW with the same seed has begun with the same weights and seen the same rows in the same order. */
export function compare(name: string, own: Tuned, { passes, seconds }: Frontier): Compared {
  const inPasses = own.outcomes.map(({ reported }, i) => needed(passes[i], reported))
  return {
    name,
    speed: bootstrap(own.outcomes.map((one, i) => inPasses[i].units / unitsOf(one))),
    inSeconds: bootstrap(
      own.outcomes.map(({ reported, cpuSeconds }, i) => needed(seconds[i], reported).units / cpuSeconds),
    ),
    isOutside: inPasses.some(({ isOutside }) => isOutside),
    loss: mean(own.outcomes.map(({ reported }) => reported)),
    tuned: own,
  }
}

export function frontierRows(budgets: readonly TunedBudget[]): Row[] {
  return budgets.map(({ steps, rate, isInterior, outcomes }) => ({
    ...INFORMS,
    name: `adamw, tuned, ${steps} steps`,
    ours: mean(outcomes.map(({ reported }) => reported)),
    unit: 'nats',
    better: 'lower',
    note: `${unitsOf(outcomes[0])} passes, ${mean(outcomes.map(({ cpuSeconds }) => cpuSeconds)).toFixed(1)} s of the processor; rate ${told(rate)}${isInterior ? '' : ' (at the edge of what was tried)'}; by seed ${outcomes.map(({ reported }) => reported.toFixed(4)).join(', ')}`,
  }))
}

const INFORMS = { peer: null, ratio: null, floor: null, goal: null } as const

export function comparedRow(
  { name, speed, inSeconds, isOutside, loss, tuned: { rate, isInterior, outcomes } }: Compared,
  { floor = null }: { readonly floor?: Method['floor'] | null } = {},
): Row {
  const of = (value: (outcome: Outcome) => number, digits = 0): string =>
    mean(outcomes.map(value)).toFixed(digits)
  const failed = outcomes.filter(({ failure }) => failure !== null).length
  return {
    ...INFORMS,
    name,
    ours: speed.mean,
    unit: '× tuned adamw',
    floor,
    better: 'higher',
    note: [
      `${shown(speed)} of 95 %`,
      `in seconds ${inSeconds.mean.toFixed(2)} (${shown(inSeconds)})`,
      `loss ${loss.toFixed(4)}`,
      `rate ${told(rate)}${isInterior ? '' : ' (at the edge of what was tried)'}`,
      `${of(({ forwards }) => forwards)} forward, ${of(({ backwards }) => backwards)} backward`,
      `${of(({ cpuSeconds }) => cpuSeconds, 1)} s of the processor`,
      `${of(({ kept }) => kept, 1)} kept, ${of(({ predicted }) => predicted)} steps predicted`,
      ...(isOutside ? ['outside of the frontier'] : []),
      ...(failed > 0 ? [`${failed} of ${outcomes.length} failed`] : []),
    ].join('; '),
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function shown({ low, high }: Interval): string {
  return `${low.toFixed(2)} … ${high.toFixed(2)}`
}

function told(rate: number): string {
  return String(Number(rate.toPrecision(3)))
}
