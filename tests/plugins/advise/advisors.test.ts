/**
 * The advisors over curves that are drawn: each does what its page says, and its thresholds are where the page has them.
 */
import { describe, expect, test } from 'bun:test'
import {
  adviseLearningRate,
  analyzeCurve,
  createAdvisor,
  type CurveTrend,
  findAlerts,
  NO_SPIKE,
  type SpikeEvent,
  watchSpikes,
} from '../../../plugins/advise/mod.ts'
import { curve, noise } from './_curves.ts'

const flat = (count: number, loss = 2): number[] => Array.from({ length: count }, () => loss)
const falling = (count: number): number[] =>
  Array.from({ length: count }, (_, i) => 2 + 3 * Math.exp(-i / 30))
const scattered = (losses: readonly number[], part: number): number[] =>
  noise(losses.length).map((x, i) => losses[i] * (1 + part * x))

describe('adviseLearningRate()', () => {
  test('says nothing of a curve that falls, however its batches scatter', () => {
    expect(adviseLearningRate(curve(falling(90)))).toBeNull()
    expect(adviseLearningRate(curve(scattered(falling(90), 0.3)))).toBeNull()
    expect(adviseLearningRate([])).toBeNull()
  })

  test.each([
    [4, null],
    [6, 0.5],
    [12, 0.25],
  ])('a gradient norm of %d times the usual one', (times, factor) => {
    const points = curve(falling(60)).map((point) => ({ ...point, gradNorm: point.step > 57 ? times : 1 }))
    expect(adviseLearningRate(points)?.factor ?? null).toBe(factor)
  })

  test('the advised rate is that to set: a part of the one below which the schedule goes on, not of that of the step', () => {
    const late = curve([...flat(40), ...flat(20, 2.6)]).map((point) => ({
      ...point,
      learningRate: 2e-3 * (1 - point.step / 61),
    }))
    expect(adviseLearningRate(late, { peakRate: 2e-3 })).toMatchObject({ factor: 0.4, learningRate: 8e-4 })
    expect(adviseLearningRate(late, { peakRate: 1e-3 })?.text).toContain('4.00e-4 (× 0.4)')
    // The highest of the points, where nobody tells it.
    expect(adviseLearningRate(late)?.learningRate).toBeCloseTo(0.4 * 2e-3 * (1 - 1 / 61), 9)
  })

  test('one gradient that is out of all proportion is an odd batch', () => {
    const points = curve(falling(60)).map((point) => ({ ...point, gradNorm: point.step === 60 ? 1000 : 1 }))
    expect(adviseLearningRate(points)).toBeNull()
  })

  test.each([
    [1.03, null],
    [1.1, 0.6],
    [1.3, 0.4],
  ])('a loss that is %d times its lowest', (times, factor) => {
    const losses = scattered([...flat(40), ...flat(20, 2 * times)], 0.01)
    const advice = adviseLearningRate(curve(losses))
    expect(advice?.factor ?? null).toBe(factor)
    if (factor !== null) expect(advice?.sign).toBe('rising-loss')
  })

  test('a rise that the scatter of the batches explains is none', () => {
    expect(adviseLearningRate(curve(scattered([...flat(40), ...flat(20, 2.12)], 0.6)))).toBeNull()
  })

  test('a loss that swings ever wider, with twice as much borne in the warm-up', () => {
    const swing = [...flat(40), ...flat(20)].map(
      (loss, i) => loss * (1 + (i < 40 ? 0.01 : 0.12) * (i % 2 === 0 ? 1 : -1)),
    )
    expect(adviseLearningRate(curve(swing))).toMatchObject({ sign: 'swinging-loss', factor: 0.5 })
    expect(adviseLearningRate(curve(swing), { warmupSteps: 100 })).toBeNull()
  })

  test('a plateau, but not in the warm-up nor after the decay', () => {
    const stuck = scattered(flat(110), 0.01)
    const advice = adviseLearningRate(curve(stuck))
    expect(advice?.sign).toBe('plateau')
    expect(advice?.learningRate).toBeGreaterThan(1e-3)
    const decayed = curve(stuck).map((point) => ({ ...point, learningRate: 1e-3 * (1 - point.step / 111) }))
    expect(adviseLearningRate(decayed)).toBeNull()
    expect(adviseLearningRate(curve(stuck.slice(0, 99)))).toBeNull()
  })
})

describe('analyzeCurve()', () => {
  test.each<[CurveTrend, number[]]>([
    ['short', falling(19)],
    ['falling', falling(100)],
    ['falling', scattered(falling(100), 0.05)],
    ['linear', Array.from({ length: 100 }, (_, i) => 4 - 0.02 * i)],
    ['plateau', scattered(flat(100), 0.01)],
    ['unclear', scattered(flat(100), 0.4)],
    ['diverging', [...falling(80), ...flat(20, 4)]],
    ['diverging', [...falling(80), Number.NaN]],
  ])('%s', (trend, losses) => {
    expect(analyzeCurve(curve(losses)).trend).toBe(trend)
  })

  test('health goes from a quiet falling curve down to one that diverges', () => {
    const health = (losses: readonly number[]): number => analyzeCurve(curve(losses)).health
    expect(health(falling(100))).toBeGreaterThan(0.95)
    expect(health(scattered(falling(100), 0.1))).toBeLessThan(health(falling(100)))
    expect(health([...falling(80), ...flat(20, 4)])).toBeLessThan(0.4)
    expect(health(falling(10))).toBeNaN()
  })

  test('noise is the scatter around the line, not the fall', () => {
    expect(analyzeCurve(curve(Array.from({ length: 60 }, (_, i) => 6 - 0.1 * i))).noise).toBeLessThan(1e-6)
  })
})

describe('findAlerts()', () => {
  const names = (points: Parameters<typeof findAlerts>[0]): string[] =>
    findAlerts(points).map(({ name }) => name)

  test('nothing of a healthy curve, nor of none', () => {
    expect(names(curve(falling(150)))).toEqual([])
    expect(names([])).toEqual([])
  })

  test.each([
    ['non-finite-loss', curve([2, Number.NaN])],
    ['non-finite-loss', curve([2, Infinity])],
    ['diverging', curve([...flat(40), ...flat(20, 2.4)])],
    ['gradient-norm-high', curve(falling(10), { gradNorm: 101 })],
    ['gradient-norm-low', curve(falling(10), { gradNorm: 9e-7 })],
    ['memory', curve(falling(10), { memoryPart: 0.91 })],
    ['plateau', curve(scattered(flat(100), 0.01))],
  ])('%s', (name, points) => {
    expect(names(points)).toEqual([name])
  })

  test('how far it diverges decides the severity', () => {
    expect(findAlerts(curve([...flat(40), ...flat(20, 2.4)]))[0].severity).toBe('warning')
    expect(findAlerts(curve([...flat(40), ...flat(20, 3.4)]))[0].severity).toBe('critical')
  })

  test('its thresholds can be set', () => {
    expect(findAlerts(curve(falling(10), { gradNorm: 101 }), { gradNormHigh: 200 })).toEqual([])
    expect(findAlerts(curve(flat(30)), { plateauSteps: 30 })).toHaveLength(1)
  })
})

describe('watchSpikes()', () => {
  const told = (losses: readonly number[], options = {}): [number, SpikeEvent][] => {
    let state = NO_SPIKE
    return losses.flatMap((loss, i) => {
      const next = watchSpikes(state, loss, options)
      state = next.state
      return next.event === null ? [] : [[i + 1, next.event]]
    })
  }

  test('a spike and its end', () => {
    expect(told([...flat(20), 8, 6, 4, 2.1, 2])).toEqual([
      [21, 'spike'],
      [24, 'over'],
    ])
  })

  test('one that does not come back is told once, and is then where the loss is', () => {
    expect(told([...flat(20), ...flat(60, 8)])).toEqual([
      [21, 'spike'],
      [41, 'lasting'],
    ])
  })

  test('scatter is no spike, and neither are the first steps', () => {
    expect(told(scattered(flat(200), 0.4))).toEqual([])
    expect(told([2, 9, 2, 9, 2])).toEqual([])
  })

  test('a loss that is not finite is one from the first step on', () => {
    expect(told([Number.NaN, ...flat(3)])).toEqual([[1, 'spike']])
    expect(told([...flat(12), Infinity, ...flat(3)])).toEqual([
      [13, 'spike'],
      [14, 'over'],
    ])
  })

  test('its state is plain JSON', () => {
    let state = NO_SPIKE
    for (const loss of [...flat(12), 9]) ({ state } = watchSpikes(state, loss))
    expect(JSON.parse(JSON.stringify(state))).toEqual(state)
  })
})

describe('createAdvisor()', () => {
  const told = (losses: readonly number[], options = {}): string[] => {
    const advisor = createAdvisor(options)
    return curve(losses).flatMap((point) => advisor.onStep(point).map(({ step, name }) => `${step} ${name}`))
  }

  test('tells the same thing again only after a while', () => {
    const lines = told(scattered(flat(210), 0.01), { only: ['alerts'] })
    expect(lines).toEqual(['100 plateau', '150 plateau', '200 plateau'])
  })

  test('a loss near 0 that scatters by many times itself is left alone', () => {
    const preferences = noise(300).map((x) => 0.004 * (1 + x) ** 3)
    expect(told(preferences).filter((line) => !line.endsWith('plateau'))).toEqual([])
    expect(told(noise(300).map((x) => 0.002 * x)).filter((line) => !line.endsWith('plateau'))).toEqual([])
  })

  test('a low rate after a long decay is no plateau, however long it lasts', () => {
    const advisor = createAdvisor({ only: ['alerts', 'learning_rate'] })
    const points = curve(scattered(flat(700), 0.01)).map((point) => ({
      ...point,
      learningRate: point.step < 60 ? 1e-3 : 1e-4,
    }))
    expect(points.flatMap((point) => advisor.onStep(point))).toEqual([])
  })

  test.each([
    [['spikes'], ['61 loss-spike']],
    [['alerts'], ['61 non-finite-loss']],
    [['curve'], ['61 curve:diverging']],
    [['learning_rate'], []],
    [[], []],
  ])('only %p', (only, lines) => {
    expect(told([...falling(60), Number.NaN], { only })).toEqual(lines)
  })
})
