/**
 * What others have built, as `bench predictive` has it, against plain formulas.
 */
import { describe, expect, test } from 'bun:test'
import { createRandom, parameter, type StepContext, tensor } from '../../../core/mod.ts'
import {
  gradientLineStrategy,
  stepsForBackwards,
} from '../../../scripts/bench/predictive/baselines/gradient-line.ts'
import { gruGradient, gruStep, gruWeights } from '../../../scripts/bench/predictive/baselines/gru-cell.ts'
import { linUcb } from '../../../scripts/bench/predictive/baselines/lin-ucb.ts'
import { residualStore } from '../../../scripts/bench/predictive/baselines/residual-store.ts'
import {
  confidenceOf,
  horizonOf,
  lossGradient,
  nextLoss,
  rssmLite,
} from '../../../scripts/bench/predictive/baselines/rssm-lite.ts'
import { stateFeatures } from '../../../scripts/bench/predictive/baselines/state-features.ts'
import { forecastErrors, lineAt } from '../../../scripts/bench/predictive/forecast-rows.ts'

describe('the gradient line', () => {
  /** The gradients that 60 steps were made with, where step t of those that are computed has (t, 10 - 2t). */
  function followed(isFlat: boolean): { readonly used: number[][]; readonly isPredicted: boolean[] } {
    using w = parameter(tensor([0, 0]))
    using grad = tensor([0, 0])
    const parameters = new Map([['w', w]])
    const strategy = gradientLineStrategy({ parameters }, { isFlat })
    const used: number[][] = []
    const isPredicted: boolean[] = []
    const unused = (): never => {
      throw new Error('not of this strategy')
    }
    for (let step = 0; step < 60; step++) {
      const context: StepContext = {
        step,
        totalSteps: 60,
        learningRate: 1,
        get model() {
          return unused()
        },
        parameters,
        evaluate: unused,
        evaluateEach: unused,
        backward() {
          w.grad = grad
          grad.host().set([step, 10 - 2 * step])
          return 3
        },
        update() {
          used.push([...(w.grad?.toArray() ?? [])])
          return {}
        },
        beforeUpdate: unused,
      }
      isPredicted.push(strategy.step(context, unused).metrics.predicted === 1)
    }
    w.grad = null
    return { used, isPredicted }
  }

  test('goes on along a line of gradients, in the phases of the original', () => {
    const { used, isPredicted } = followed(false)
    for (const [step, [a, b]] of used.entries()) {
      expect(a).toBeCloseTo(step, 2)
      expect(b).toBeCloseTo(10 - 2 * step, 2)
    }
    // 10 + 5 computed; then five predicted, one computed, …
    expect(isPredicted.slice(0, 15).some(Boolean)).toBe(false)
    const cycle = isPredicted.slice(15, 36).map((is) => (is ? 'p' : 'c'))
    expect(cycle.join('')).toBe('pppppcppppcppppcppppc')
  })

  test('of slope 0 it is the weighted mean of the last eight', () => {
    const { used } = followed(true)
    const weights = Array.from({ length: 8 }, (_, age) => 0.95 ** age)
    const sum = weights.reduce((total, weight) => total + weight, 0)
    const mean = weights.reduce((total, weight, age) => total + weight * (14 - age), 0) / sum
    expect(used[15][0]).toBeCloseTo(mean, 4)
    expect(used[16][0]).toBeCloseTo(mean, 4)
  })

  test('as many backward passes as AdamW: 9 of 26 steps in the long run', () => {
    expect(stepsForBackwards(15)).toBe(15)
    expect(stepsForBackwards(16)).toBe(21)
    expect(stepsForBackwards(915) / 915).toBeCloseTo(26 / 9, 1)
  })
})

describe('LinUCB', () => {
  test('scores by the formula', () => {
    const bandit = linUcb(['a', 'b'], 2, 1)
    expect(bandit.score('a', [3, 4])).toBeCloseTo(5, 12)
    bandit.reward('a', [1, 2], 0.5)
    bandit.reward('a', [1, 0], 2)
    // A = (1 + 1 + 1, 1 + 4), b = (0.5 + 2, 1).
    expect(bandit.score('a', [1, 1])).toBeCloseTo(2.5 / 3 + 1 / 5 + Math.sqrt(1 / 3 + 1 / 5), 12)
    expect(bandit.score('b', [1, 1])).toBeCloseTo(Math.sqrt(2), 12)
  })

  test('takes the best of those that are ready, and one in twenty by chance', () => {
    const bandit = linUcb(['a', 'b', 'c'], 1, 3)
    for (let i = 0; i < 200; i++)
      for (const [name, value] of [
        ['a', 1],
        ['b', 0],
        ['c', 3],
      ] as const)
        bandit.reward(name, [1], value)
    const chosen = Array.from({ length: 2000 }, (_, episode) => bandit.choose(['a', 'b'], [1], episode))
    const others = chosen.filter((name) => name === 'b').length
    expect(others / 2000).toBeGreaterThan(0.01)
    expect(others / 2000).toBeLessThan(0.05)
    expect(chosen).not.toContain('c')
    const again = linUcb(['a', 'b', 'c'], 1, 3)
    again.loadState(JSON.parse(JSON.stringify(bandit.saveState())))
    expect(again.score('c', [2])).toBe(bandit.score('c', [2]))
  })
})

describe('RSSM-lite', () => {
  const random = createRandom(4, 'test')
  const draw = (): number => random.float()
  const INPUTS = 5
  const HIDDEN = 40
  const cell = gruWeights(INPUTS, HIDDEN, draw)
  const x = Float64Array.from({ length: INPUTS }, () => random.normal())
  const h = Float64Array.from({ length: HIDDEN }, () => 0.5 * random.normal())

  test('a cell is the GRU of its formula', () => {
    const sigmoid = (value: number): number => 1 / (1 + Math.exp(-value))
    const width = INPUTS + HIDDEN + 1
    const row = (weights: Float64Array, at: number, state: readonly number[]): number =>
      [...x, ...state, 1].reduce((sum, value, i) => sum + weights[at * width + i] * value, 0)
    const { next, r } = gruStep(cell, x, h)
    const gated = Array.from(h, (value, i) => value * sigmoid(row(cell.r, i, [...h])))
    for (let i = 0; i < HIDDEN; i++) {
      const z = sigmoid(row(cell.z, i, [...h]))
      expect(r[i]).toBeCloseTo(sigmoid(row(cell.r, i, [...h])), 12)
      expect(next[i]).toBeCloseTo((1 - z) * h[i] + z * Math.tanh(row(cell.n, i, gated)), 12)
    }
  })

  test('its gradients are those of finite differences', () => {
    const head = Float64Array.from({ length: HIDDEN + 32 }, () => 0.05 * random.normal())
    const at = { loss: 3, target: 2.5 }
    const loss = (): number => (nextLoss(head, gruStep(cell, x, h).next, at.loss) - at.target) ** 2
    const found = lossGradient(cell, head, gruStep(cell, x, h), at)
    const numeric = (values: Float64Array, i: number): number => {
      const [kept, step] = [values[i], 1e-6]
      values[i] = kept + step
      const above = loss()
      values[i] = kept - step
      const below = loss()
      values[i] = kept
      return (above - below) / (2 * step)
    }
    for (const part of ['z', 'r', 'n'] as const)
      for (let i = 0; i < cell[part].length; i += 37)
        expect(found.cell[part][i]).toBeCloseTo(numeric(cell[part], i), 6)
    for (let i = 0; i < head.length; i += 7) expect(found.head[i]).toBeCloseTo(numeric(head, i), 6)
    expect(gruGradient(cell, gruStep(cell, x, h), new Float64Array(HIDDEN)).n.every((d) => d === 0)).toBe(
      true,
    )
  })

  test('begins with the last loss, and learns a loss that shrinks by a factor', () => {
    const model = rssmLite({ hidden: 32, members: 2, learningRate: 0.05 })
    let loss = 5
    for (let step = 0; step < 150; step++) {
      const features = new Float64Array(64)
      features.set([loss, 1])
      model.observe(features, loss)
      if (step === 0) expect(model.rollout(3)).toEqual({ losses: [5, 5, 5], spread: 0 })
      loss *= 0.98
    }
    const last = loss / 0.98
    const ratio = model.rollout(1).losses[0] / last
    // Half of the way at least.
    expect(ratio).toBeLessThan(0.9925)
    expect(ratio).toBeGreaterThan(0.97)
  })

  test('confidence and horizon are those of the original', () => {
    const calm = { spread: 0, errors: [], fast: 2, slow: 2 }
    expect(confidenceOf(calm)).toBeCloseTo(0.4 + 0.4 * 0.7 + 0.2, 12)
    const errors = Array.from({ length: 60 }, (_, i) => (i < 10 ? 9 : 0.25))
    expect(confidenceOf({ spread: 1, errors, fast: 3, slow: 2 })).toBeCloseTo(
      0.4 / (2 + 0.1 * Math.sqrt(10)) + 0.4 / 1.25 + 0.2 * 0.5,
      12,
    )
    expect([0.8, 0.86, 0.95, 1].map((confidence) => horizonOf(confidence))).toEqual([0, 11, 13, 15])
  })
})

test('features are the 26 numbers of the original', () => {
  const features = stateFeatures([4, 2, 3], [1, 3, 2])
  const deviation = Math.sqrt(2 / 3)
  expect([...features.subarray(0, 8)]).toEqual([3, 3, deviation, 2, 4, 0, 1, 3e-4])
  expect([...features.subarray(8, 13)]).toEqual([2, 2, deviation, 1, 3])
  expect(features[13]).toBeCloseTo(Math.log10(2), 9)
  expect(features[14]).toBeCloseTo(1, 9)
  expect(features[15]).toBeCloseTo(deviation / 2, 9)
  expect([...features.subarray(16)].filter((value) => value !== 0)).toEqual([1, 0.03])
})

test('the residual store corrects by the nearest, within a fifth of the loss', () => {
  const store = residualStore()
  const a = Float64Array.of(1, 0)
  const b = Float64Array.of(0, 1)
  expect(store.correction({ step: 0, features: a, loss: 3 })).toBe(0)
  store.add({ step: 0, features: a, residual: 0.1, confidence: 1 })
  store.add({ step: 100, features: a, residual: 0.3, confidence: 0.5 })
  // Weights .95² and .95·.5 at step 200; the model has seen .1 and then .3 at a rate of .01.
  const [old, recent] = [0.95 ** 2, 0.95 * 0.5]
  const history = (old * 0.1 + recent * 0.3) / (old + recent)
  const model = 0.001 + 0.01 * (0.3 - 0.001)
  expect(store.correction({ step: 200, features: a, loss: 3 })).toBeCloseTo(
    (0.7 * history + 0.3 * model) * (0.5 + history),
    12,
  )
  for (let i = 0; i < 10; i++) store.add({ step: 200, features: b, residual: 50, confidence: 1 })
  expect(store.correction({ step: 200, features: b, loss: 3 })).toBeCloseTo(0.6, 12)
})

test('a straight line goes on, and on a line nothing beats it', () => {
  expect(lineAt([1, 2, 3, 4], 3)).toBeCloseTo(7, 12)
  expect(lineAt([5], 3)).toBe(5)
  const losses = Array.from({ length: 60 }, (_, i) => 5 - i / 50)
  const { errors, horizons } = forecastErrors({ losses, gradNorms: losses.map(() => 1) }, { hidden: 32 })
  expect(errors.get(5)?.line).toBeCloseTo(0, 9)
  expect(errors.get(5)?.last).toBeCloseTo(0.1, 9)
  expect(errors.get(15)?.last).toBeCloseTo(0.3, 9)
  expect(errors.get(1)?.rssm).toBeFinite()
  expect(horizons.length).toBe(30)
})
