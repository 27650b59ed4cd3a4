/**
 * The phase trainer: which steps are predicted, what is predicted, and what it refuses.
 */
import { describe, expect, test } from 'bun:test'
import { createRandom } from '../../../../core/mod.ts'
import {
  type PhaseTrainer,
  phaseTrainer,
  type PhaseTrainerOptions,
} from '../../../../plugins/vsa-optim/mod.ts'
import { thrownBy } from '../_thrown.ts'

/** Steps with the gradient `at(t)`; what each was, and what it was trained with. */
function run(trainer: PhaseTrainer, steps: number, at: (t: number) => number): [string, number][] {
  return Array.from({ length: steps }, () => {
    const { steps: t } = trainer.stats
    const { phase, gradient } = trainer.step(
      trainer.needsBackward ? { gradient: Float32Array.of(at(t)) } : {},
    )
    return [phase, gradient[0]]
  })
}

function phases(options: PhaseTrainerOptions, steps: number): string {
  return run(phaseTrainer(1, options), steps, () => 1)
    .map(([phase]) => phase[0])
    .join('')
}

describe('phases', () => {
  test('those of the defaults: 10 of warm-up, then 5 full, 17 predicted and 4 correcting in each 26', () => {
    const cycle = `fffff${'pppppc'}${'ppppc'.repeat(3)}`
    expect(phases({}, 10 + 52)).toBe('w'.repeat(10) + cycle + cycle)
  })
  test('shorter ones', () => {
    expect(phases({ warmup: 1, full: 1, predict: 2, correctEvery: 5 }, 7)).toBe('wfppfpp')
    expect(phases({ warmup: 2, full: 2, predict: 3, correctEvery: 1 }, 9)).toBe('wwffpcpcf')
    expect(phases({ warmup: 1, full: 3, predict: 0 }, 6)).toBe('wfffff')
  })
  test('a warm-up longer than the window ends', () => {
    expect(phases({ warmup: 15, window: 2, full: 1, predict: 1 }, 18)).toBe(`${'w'.repeat(15)}fpf`)
  })
  test('steps for each backward pass are counted', () => {
    const trainer = phaseTrainer(1, {})
    expect(trainer.stats.stepsPerBackward).toBe(1)
    run(trainer, 10 + 26 * 10, () => 1)
    expect(trainer.stats).toMatchObject({
      steps: 270,
      counts: { warmup: 10, full: 50, predict: 170, correct: 40 },
      cycles: 10,
      backwardPasses: 100,
      stepsPerBackward: 2.7,
    })
  })
})

describe('predictions', () => {
  test('of gradients on a line are on the line', () => {
    const got = run(
      phaseTrainer(1, { warmup: 3, full: 2, predict: 4, correctEvery: 9 }),
      9,
      (t) => 3 - 0.5 * t,
    )
    for (const [t, [, value]] of got.entries()) expect(value).toBeCloseTo(3 - 0.5 * t, 4)
  })
  test('with one gradient are that gradient', () => {
    expect(run(phaseTrainer(1, { warmup: 1, full: 1, window: 1, predict: 2 }), 4, (t) => t + 1)).toEqual([
      ['warmup', 1],
      ['full', 2],
      ['predict', 2],
      ['predict', 2],
    ])
  })
  test('are the weighted least-squares line: of 4, 1, 3 with decay 0.5', () => {
    // Weights ¼, ½, 1 at t = −2, −1, 0: S = (7/4, −1, 3/2), Σwy = 9/2, Σwty = −5/2 → b = (3/2·9/2 − 5/2)/(13/8), v = (9/2 − 35/8)/(13/8).
    const gradients = [4, 1, 3]
    const options = { warmup: 2, full: 1, predict: 2, correctEvery: 9, decay: 0.5 }
    const got = run(phaseTrainer(1, options), 5, (t) => gradients[t])
    expect(got[3][1]).toBeCloseTo(34 / 13 + 1 / 13, 5)
    expect(got[4][1]).toBeCloseTo(34 / 13 + 2 / 13, 5)
  })
  test('learn from correcting steps what the line misses', () => {
    const options = { warmup: 2, full: 1, predict: 4, correctEvery: 1, decay: 0.5 }
    const trainer = phaseTrainer(1, options)
    const got = run(trainer, 6, (t) => (t < 3 ? 1 : 3))
    // Constant 1; the computed 3 at t = 2 behind the last full step is 2 above it, half of which is kept and fades by ½ a step.
    expect(got[5]).toEqual(['predict', 1 + 1 * 0.5 ** 3])
    expect(trainer.stats.meanError).toBeCloseTo(2 / 3, 6)
    expect(trainer.stats.meanCosine).toBeCloseTo(1, 6)
  })
  test('of noise point nowhere: the cosine says so', () => {
    const random = createRandom(5)
    const noise = (): Float32Array => Float32Array.from({ length: 2000 }, () => random.normal())
    const trainer = phaseTrainer(2000)
    for (let t = 0; t < 62; t++) trainer.step(trainer.needsBackward ? { gradient: noise() } : {})
    expect(Math.abs(trainer.stats.meanCosine ?? 1)).toBeLessThan(0.05)
    expect(trainer.stats.meanError).toBeGreaterThan(1)
  })
  test('are the same for the same gradients, and again after a reset', () => {
    const trainer = phaseTrainer(1)
    const first = run(trainer, 40, (t) => Math.sin(t))
    trainer.reset()
    expect(trainer.stats).toMatchObject({ steps: 0, meanError: null, lastLoss: null })
    expect(run(trainer, 40, (t) => Math.sin(t))).toEqual(first)
    expect(run(phaseTrainer(1), 40, (t) => Math.sin(t))).toEqual(first)
  })
})

describe('refused', () => {
  test('gradients that are missing, not wanted, of another length, or not finite; nothing has changed then', () => {
    const trainer = phaseTrainer(2, { warmup: 1, full: 1, predict: 1 })
    const bad = (input: Parameters<PhaseTrainer['step']>[0]): [string, string] =>
      thrownBy(() => trainer.step(input))
    expect(bad({})).toEqual(['E_USAGE', 'a step of phase warmup needs a gradient'])
    expect(bad({ gradient: new Float32Array(3) })).toEqual([
      'E_SHAPE',
      'the gradient has 3 numbers, the parameters 2',
    ])
    expect(bad({ gradient: Float32Array.of(0, Number.NaN) })).toEqual([
      'E_NAN',
      'number 1 of the gradient is NaN',
    ])
    expect(bad({ gradient: new Float32Array(2), loss: Infinity })).toEqual([
      'E_NAN',
      'the loss of step 0 is Infinity',
    ])
    expect(trainer.stats.steps).toBe(0)
    trainer.step({ gradient: new Float32Array(2), loss: 2 })
    trainer.step({ gradient: new Float32Array(2), loss: 1 })
    expect(trainer.phase).toBe('predict')
    expect(bad({ gradient: new Float32Array(2) })).toEqual([
      'E_USAGE',
      'this step is predicted and takes no gradient',
    ])
    expect(trainer.stats).toMatchObject({ steps: 2, lastLoss: 1 })
  })
  test('options out of their range', () => {
    for (const options of [
      { warmup: 0 },
      { full: 0 },
      { predict: -1 },
      { correctEvery: 0.5 },
      { window: 0 },
      { decay: 0 },
      { decay: 1.1 },
    ])
      expect(thrownBy(() => phaseTrainer(4, options))).toEqual([
        'E_VALUE',
        expect.stringContaining(Object.keys(options)[0]),
      ])
    expect(thrownBy(() => phaseTrainer(0))[0]).toBe('E_VALUE')
  })
})
