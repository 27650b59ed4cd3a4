/**
 * Learning rates against transformers, torch and axolotl at every step of a run (tests/oracle/schedules.py).
 */
import { expect, test } from 'bun:test'
import {
  cosineRestartsSchedule,
  cosineSchedule,
  cosineWarmupSchedule,
  inverseSqrtSchedule,
  oneCycleSchedule,
  plateau,
  polynomialSchedule,
  rexSchedule,
  type Schedule,
  secondStage,
  twoStageSchedule,
  wsdSchedule,
} from '../../core/mod.ts'
import { goldenJson } from '../_golden.ts'

interface Golden {
  readonly peak: number
  readonly cases: Readonly<Record<string, { readonly factors: number[] }>>
  readonly plateaus: readonly {
    readonly options: {
      readonly factor?: number
      readonly patience?: number
      readonly threshold?: number
      readonly threshold_mode?: 'rel' | 'abs'
      readonly cooldown?: number
      readonly min_lr?: number
      readonly eps?: number
    }
    readonly losses: number[]
    readonly factors: number[]
  }[]
}

const golden = goldenJson<Golden>('ops', 'more-schedules.json')
const run = { warmupSteps: 4, totalSteps: 20 }
const wsd = { ...run, decaySteps: 6 }

const SCHEDULES: Readonly<Record<string, Schedule>> = {
  'cosine-cycles': cosineSchedule({ ...run, cycles: 1.5 }),
  cosine_with_min_lr: cosineSchedule({ ...run, minRatio: 1 / 8 }),
  cosine_with_restarts: cosineRestartsSchedule({ ...run, cycles: 3 }),
  polynomial: polynomialSchedule({ ...run, end: 1e-7 / golden.peak }),
  'polynomial-power': polynomialSchedule({ ...run, end: 1 / 20, power: 2 }),
  inverse_sqrt: inverseSqrtSchedule({ warmupSteps: 4 }),
  'inverse_sqrt-timescale': inverseSqrtSchedule({ warmupSteps: 2, timescale: 7 }),
  'inverse_sqrt-no-warmup': inverseSqrtSchedule(),
  cosine_warmup: cosineWarmupSchedule({ ...run, minRatio: 0.1 }),
  'cosine_warmup-rate': cosineWarmupSchedule({ ...run, minRatio: 0.1, warmupRatio: 0.3 }),
  'wsd-linear': wsdSchedule({ ...wsd, decayType: 'linear', warmupType: 'cosine' }),
  'wsd-sqrt': wsdSchedule({ ...wsd, decayType: '1-sqrt', warmupType: '1-sqrt', minRatio: 0.1 }),
  'wsd-stable': wsdSchedule({ warmupSteps: 2, stableSteps: 3, decaySteps: 8, totalSteps: 20, cycles: 1.5 }),
  rex: rexSchedule(run),
  'rex-min': rexSchedule({ totalSteps: 20, minRatio: 0.1 }),
  one_cycle: oneCycleSchedule({ totalSteps: 20, rise: 0.25 }),
  'one_cycle-none': oneCycleSchedule({ totalSteps: 20, rise: 0 }),
  'one_cycle-linear': oneCycleSchedule({
    totalSteps: 20,
    rise: 0.3,
    anneal: 'linear',
    divFactor: 10,
    finalDivFactor: 100,
  }),
  'one_cycle-three': oneCycleSchedule({ totalSteps: 20, rise: 0.3, threePhase: true }),
}

test('every case of the golden file is compared', () => {
  expect(Object.keys(SCHEDULES).toSorted()).toEqual(Object.keys(golden.cases).toSorted())
})

test.each(Object.entries(SCHEDULES))('%s', (name, schedule) => {
  for (const [step, factor] of golden.cases[name].factors.entries())
    expect(Math.abs(schedule(step) - factor), `step ${step}`).toBeLessThanOrEqual(1e-12)
})

test.each(golden.plateaus.map((one) => [JSON.stringify(one.options), one] as const))(
  'plateau %s, saved and loaded half-way',
  (_, { options, losses, factors }) => {
    const { threshold_mode: thresholdMode, min_lr = 0, eps = 1e-8, ...rest } = options
    const make = (): ReturnType<typeof plateau> =>
      plateau({
        ...rest,
        ...(thresholdMode ? { thresholdMode } : {}),
        minRatio: min_lr / golden.peak,
        eps: eps / golden.peak,
      })
    let rate = make()
    for (const [i, loss] of losses.entries()) {
      if (i === 14) {
        const saved = JSON.parse(JSON.stringify(rate.saveState?.()))
        rate = make()
        rate.loadState?.(saved)
      }
      rate.onEvaluation(loss)
      expect(Math.abs(rate.factor - factors[i]), `evaluation ${i}`).toBeLessThanOrEqual(1e-12)
    }
    expect(factors.at(-1)).toBeLessThan(1)
  },
)

test('two stages: the linear decay, and from the second on two thirds of it', () => {
  const linear = (step: number): number => (step < 4 ? step / 4 : (20 - step) / 16)
  const factor = twoStageSchedule(run)
  for (let step = 0; step < 20; step++)
    expect(factor(step)).toBeCloseTo(linear(step) * (step < 10 ? 1 : 2 / 3), 12)
  const late = twoStageSchedule({ totalSteps: 7, stageStart: 0.9, ratio: 0.1 })
  expect(secondStage(7, 0.9)).toBe(7)
  expect(late(6)).toBeCloseTo(1 / 7, 12)
})
