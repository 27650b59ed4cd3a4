/**
 * What a world model of the loss knows, on the losses of plain runs: its error beside those of the last loss, the mean of the last 16 and a straight line through
 * them. A step's loss is mostly of its batch, so the mean is the one to beat.
 */
import type { Row } from '../_topic.ts'
import { mean } from '../_measure.ts'
import { residualStore } from './baselines/residual-store.ts'
import { confidenceOf, horizonOf, rssmLite, type RssmOptions } from './baselines/rssm-lite.ts'
import { stateFeatures } from './baselines/state-features.ts'
import type { Outcome } from './train-once.ts'

/** Steps ahead. */
const HORIZONS = [1, 5, 15] as const

/** Losses that mean and line go through. */
const WINDOW = 16

/** Steps before the first forecast that is judged. */
const FIRST = 30

/** Mean absolute errors by forecast. */
export interface ForecastErrors {
  readonly rssm: number
  readonly corrected: number
  readonly last: number
  readonly mean: number
  readonly line: number
}

/** Of one run; `horizons`: steps that RSSM-lite would have predicted at each step. */
export function forecastErrors(
  { losses, gradNorms }: Pick<Outcome, 'losses' | 'gradNorms'>,
  options: RssmOptions = {},
): { readonly errors: ReadonlyMap<number, ForecastErrors>; readonly horizons: readonly number[] } {
  const model = rssmLite(options)
  const stores = new Map(HORIZONS.map((horizon) => [horizon, residualStore()]))
  const open: Forecast[] = []
  const relative: number[] = []
  const judged = new Map(HORIZONS.map((horizon): [number, ErrorLists] => [horizon, emptyLists()]))
  const horizons: number[] = []
  let [fast, slow] = [losses[0] ?? 0, losses[0] ?? 0]
  for (const [step, loss] of losses.entries()) {
    for (const one of open.filter(({ due }) => due === step)) {
      const { horizon, features, at, said, confidence } = one
      stores.get(horizon)?.add({ step: at, features, residual: loss - said.rssm, confidence })
      if (horizon === 1) relative.push(Math.abs(loss - said.rssm) / Math.max(Math.abs(loss), 0.1))
      if (at < FIRST) continue
      const lists = judged.get(horizon)
      for (const name of NAMES) lists?.[name].push(Math.abs(loss - said[name]))
    }
    const features = stateFeatures(losses.slice(0, step + 1), gradNorms.slice(0, step + 1))
    model.observe(features, loss)
    fast += 0.25 * (loss - fast)
    slow += 0.015625 * (loss - slow)
    const { losses: ahead, spread } = model.rollout(Math.max(...HORIZONS))
    const confidence = confidenceOf({ spread, errors: relative, fast, slow })
    if (step >= FIRST) horizons.push(horizonOf(confidence))
    const recent = losses.slice(Math.max(0, step + 1 - WINDOW), step + 1)
    for (const horizon of HORIZONS) {
      const rssm = ahead[horizon - 1]
      const correction = stores.get(horizon)?.correction({ step, features, loss: rssm }) ?? 0
      const said = {
        rssm,
        corrected: rssm + correction,
        last: loss,
        mean: mean(recent),
        line: lineAt(recent, horizon),
      }
      open.push({ horizon, due: step + horizon, at: step, features, said, confidence })
    }
  }
  const errors = new Map(
    Array.from(judged, ([horizon, lists]): [number, ForecastErrors] => [
      horizon,
      byName((name) => mean(lists[name])),
    ]),
  )
  return { errors, horizons }
}

/** The straight line by least squares, so many steps after its last point. */
export function lineAt(values: readonly number[], ahead: number): number {
  const middle = (values.length - 1) / 2
  const level = mean(values)
  let [xy, xx] = [0, 0]
  for (const [i, value] of values.entries()) {
    xy += (i - middle) * (value - level)
    xx += (i - middle) ** 2
  }
  return xx === 0 ? level : level + (xy / xx) * (values.length - 1 + ahead - middle)
}

/** Of runs that are long enough; none for shorter ones. */
export function forecastRows(outcomes: readonly Outcome[]): Row[] {
  const runs = outcomes.filter(({ losses }) => losses.length > FIRST + Math.max(...HORIZONS))
  if (runs.length === 0) return []
  const all = runs.map((run) => forecastErrors(run))
  const trusted = mean(all.flatMap(({ horizons }) => horizons))
  return HORIZONS.flatMap((horizon) => {
    const of = byName((name) => mean(all.map(({ errors }) => errors.get(horizon)?.[name] ?? Number.NaN)))
    const row = (name: string, ours: number): Row => ({
      name: `${name}, ${horizon} steps ahead`,
      ours,
      peer: of.last,
      unit: 'nats off',
      ratio: ours / of.last,
      floor: null,
      goal: null,
      better: 'lower',
      note: `peer: the last loss; mean of the last ${WINDOW} ${of.mean.toFixed(4)}, straight line ${of.line.toFixed(4)}; it would have trusted itself for ${trusted.toFixed(1)} steps`,
    })
    return [
      row('RSSM-lite (hybrid-predict-trainer-rs)', of.rssm),
      row('RSSM-lite and residual store', of.corrected),
    ]
  })
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const NAMES = ['rssm', 'corrected', 'last', 'mean', 'line'] as const

type ErrorLists = Readonly<Record<(typeof NAMES)[number], number[]>>

interface Forecast {
  readonly horizon: (typeof HORIZONS)[number]
  readonly due: number
  readonly at: number
  readonly features: Float64Array
  readonly said: ForecastErrors
  readonly confidence: number
}

function byName<T>(value: (name: (typeof NAMES)[number]) => T): Readonly<Record<(typeof NAMES)[number], T>> {
  return {
    rssm: value('rssm'),
    corrected: value('corrected'),
    last: value('last'),
    mean: value('mean'),
    line: value('line'),
  }
}

function emptyLists(): ErrorLists {
  return byName(() => [])
}
