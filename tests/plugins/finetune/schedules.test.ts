/**
 * Learning rates of whole runs: every schedule by its name of a file, and the one that follows evaluations.
 */
import { describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { finetuneConfig, warmupSteps } from '../../../plugins/finetune/mod.ts'
import { scheduleOf, SCHEDULERS } from '../../../plugins/finetune/training/schedules.ts'
import { goldenJson, relativeError } from '../../_golden.ts'
import { type Changes, metricsOf, type Trained, workspace } from './_run.ts'

interface Golden {
  readonly peak: number
  readonly total: number
  readonly cases: Readonly<Record<string, { readonly factors: number[] }>>
}

const golden = goldenJson<Golden>('ops', 'more-schedules.json')
const { peak } = golden

/** As a file says what the golden runs were made with. */
const FILES: Readonly<Record<string, Changes>> = {
  'cosine-cycles': { lr_scheduler: 'cosine', lr_scheduler_kwargs: { num_cycles: 1.5 } },
  cosine_with_min_lr: { lr_scheduler: 'cosine_with_min_lr', lr_scheduler_kwargs: { min_lr: peak / 8 } },
  cosine_with_restarts: { lr_scheduler: 'cosine_with_restarts', lr_scheduler_kwargs: { num_cycles: 3 } },
  polynomial: { lr_scheduler: 'polynomial' },
  'polynomial-power': { lr_scheduler: 'polynomial', lr_scheduler_kwargs: { power: 2, lr_end: peak / 20 } },
  inverse_sqrt: { lr_scheduler: 'inverse_sqrt' },
  'inverse_sqrt-timescale': {
    lr_scheduler: 'inverse_sqrt',
    lr_scheduler_kwargs: { timescale: 7 },
    warmup_steps: 2,
  },
  cosine_warmup: { lr_scheduler: 'cosine_warmup_with_min_lr', lr_scheduler_kwargs: { min_lr_rate: 0.1 } },
  'cosine_warmup-rate': {
    lr_scheduler: 'cosine_warmup_with_min_lr',
    lr_scheduler_kwargs: { min_lr_rate: 0.1, warmup_lr_rate: 0.3 },
  },
  'wsd-linear': {
    lr_scheduler: 'wsd',
    lr_scheduler_kwargs: { num_decay_steps: 6, decay_type: 'linear', warmup_type: 'cosine' },
  },
  'wsd-stable': {
    lr_scheduler: 'warmup_stable_decay',
    lr_scheduler_kwargs: { num_decay_steps: 8, num_stable_steps: 3, num_cycles: 1.5 },
    warmup_steps: 2,
  },
  rex: { lr_scheduler: 'rex' },
  'rex-min': { lr_scheduler: 'rex', cosine_min_lr_ratio: 0.1, warmup_steps: 0 },
  one_cycle: { lr_scheduler: 'one_cycle', warmup_steps: 5 },
  'one_cycle-linear': {
    lr_scheduler: 'one_cycle',
    lr_scheduler_kwargs: { pct_start: 0.3, anneal_strategy: 'linear', div_factor: 10, final_div_factor: 100 },
  },
  'one_cycle-three': {
    lr_scheduler: 'one_cycle',
    lr_scheduler_kwargs: { pct_start: 0.3, three_phase: true },
  },
}

test.each(Object.entries(FILES))('%s of a file', (name, changes) => {
  const config = finetuneConfig.validate({
    base_model: 'm',
    learning_rate: peak,
    datasets: [{ path: 'd', type: 'alpaca' }],
    warmup_steps: 4,
    ...changes,
  })
  const schedule = scheduleOf(config, { totalSteps: golden.total, warmupSteps: config.warmup_steps ?? 0 })
  const factors = Array.from({ length: golden.total }, (_, step) => schedule(step))
  expect(relativeError(factors, golden.cases[name].factors)).toBeLessThan(1e-12)
})

test('every schedule trains', async () => {
  using space = workspace()
  for (const lr_scheduler of SCHEDULERS) {
    const needs = lr_scheduler.includes('min_lr') ? { lr_scheduler_kwargs: { min_lr_rate: 0.1 } } : {}
    const { losses } = await space.train({
      lr_scheduler,
      ...needs,
      max_steps: 2,
      val_set_size: 2,
      output_dir: join(space.path, lr_scheduler),
    })
    expect(losses.every(Number.isFinite), lr_scheduler).toBe(true)
  }
}, 180_000)

test('reduce_lr_on_plateau follows the evaluations, also over a resume', async () => {
  using space = workspace()
  // Far too high a learning rate: evaluations get worse soon.
  const changes = {
    lr_scheduler: 'reduce_lr_on_plateau',
    lr_scheduler_kwargs: { patience: 0, factor: 0.7, threshold: 0.5, min_lr: 3 },
    learning_rate: 30,
    max_grad_norm: 0,
    val_set_size: 4,
    eval_steps: 1,
    save_strategy: undefined,
    save_steps: 1,
    max_steps: 12,
  }
  const whole = await space.train({ ...changes, output_dir: join(space.path, 'whole') })
  const rates = ratesOf(whole)
  expect(rates[0]).toBe(30)
  expect(new Set(rates).size).toBeGreaterThan(2)
  expect(Math.min(...rates)).toBeGreaterThanOrEqual(3)
  const controller = new AbortController()
  await space.train(changes, {
    signal: controller.signal,
    onEvent: (event) => {
      if (event.type === 'step' && event.report.step === 7) controller.abort()
    },
  })
  const rest = await space.train(changes, { resume: 'newest' })
  expect(ratesOf(rest)).toEqual(rates.slice(7))
  expect(metricsOf(rest.outputDir)).toEqual(metricsOf(whole.outputDir))
})

function ratesOf({ events }: Trained): number[] {
  return events.flatMap((event) => (event.type === 'step' ? [event.report.learningRate] : []))
}

const LEAST = { base_model: 'm', learning_rate: 1, datasets: [{ path: 'd', type: 'alpaca' }] }

describe('what axolotl adds to the cosine', () => {
  // Its own functions, with 4 steps of warm-up of 10, and with 2, a lowest of 0.1 and a constant part after 0.75.
  test.each([
    [
      { lr_quadratic_warmup: true, warmup_steps: 4 },
      [0, 0.0625, 0.25, 0.5625, 1, 0.933013, 0.75, 0.5, 0.25, 0.066987],
    ],
    [
      { cosine_min_lr_ratio: 0.1, cosine_constant_lr_ratio: 0.75, warmup_steps: 2 },
      [0, 0.5, 1, 0.914058, 0.689058, 0.410942, 0.185942, 0.1, 0.1, 0.1],
    ],
    [{ warmup_steps: 0.25 }, [0, 0.5, 1, 0.96194, 0.853553, 0.691342, 0.5, 0.308658, 0.146447, 0.03806]],
  ])('%o', (keys, factors) => {
    const config = finetuneConfig.validate({ ...LEAST, ...keys })
    const schedule = scheduleOf(config, { totalSteps: 10, warmupSteps: warmupSteps(config, 10) })
    factors.forEach((factor, step) => expect(schedule(step)).toBeCloseTo(factor, 5))
  })

  test('is for the cosine alone', () => {
    for (const keys of [{ lr_quadratic_warmup: true }, { cosine_constant_lr_ratio: 0.5 }])
      expect(() => finetuneConfig.validate({ ...LEAST, ...keys, lr_scheduler: 'linear' })).toThrow(
        'is for lr_scheduler: cosine',
      )
  })
})
